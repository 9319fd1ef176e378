"""Ask whether the key works, before the first event."""

from iterable_destination import ApiError, Client, Settings

settings = Settings.from_environment()

with Client(settings) as client:
    try:
        client.check()
    except ApiError as error:
        print(f"{type(error).__name__}: {error}")
    else:
        print("The key works.")
