"""Read the settings of Segment's destination, as its API gives them."""

import json
from pathlib import Path

from iterable_destination import Settings

given = json.loads(Path("segment_settings.json").read_text("utf-8"))
settings = Settings.from_mapping(given)

print(settings.url)
print(settings.track_all_pages, settings.map_all_pages_to_single_event_name)
print("invented-key" in repr(settings))
