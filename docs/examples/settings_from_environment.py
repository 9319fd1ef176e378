"""Take the key and the place from the environment, and all else from code."""

from iterable_destination import Settings

ENVIRONMENT = {  # as os.environ has it; left out, it is os.environ
    "ITERABLE_API_KEY": "invented-key",
    "ITERABLE_DATA_CENTER": "EU",
}
base = Settings(skip_anonymous=True)
settings = Settings.from_environment(ENVIRONMENT, base=base)

print(settings.url, settings.skip_anonymous)
