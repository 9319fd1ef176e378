"""An event is translated, skipped or refused: there is no fourth way."""

from typing import Any

from iterable_destination import InvalidEvent, translate

EVENTS: list[dict[str, Any]] = [
    {"messageId": "m-1", "type": "track", "userId": 7, "event": "Signed Up"},
    {"messageId": "m-2", "type": "group", "userId": "u-7", "groupId": "g-1"},
    {"messageId": "m-3", "type": "track", "event": "Order Completed", "properties": {"tax": 2}},
]

for event in EVENTS:
    try:
        translation = translate(event)
    except InvalidEvent as error:
        print(f"{error.message_id}: refused")
        for problem in error.problems:
            print(f"    {problem.path}: {problem.message}")
        continue
    if translation.skipped is not None:
        print(f"{translation.message_id}: skipped, {translation.skipped}")
        continue
    for call in translation.calls:
        print(f"{translation.message_id}: {call.endpoint.path}")
    for note in translation.notes:
        print(f"    note on {note.path}: {note.message}")
