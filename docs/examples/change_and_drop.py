"""A function that changes events before they are mapped, and drops some."""

from typing import Any

from iterable_destination import DestinationFunction, DropEvent, Settings, Translation


class Tidy(DestinationFunction):
    """Knows how this company's events are to look in Iterable."""

    def on_track(self, event: dict[str, Any], settings: Settings) -> Translation:
        """Drop what its own people do, rename an event, and leave a property out."""
        if str(event.get("userId", "")).startswith("staff-"):
            raise DropEvent("done by our own people")
        if event.get("event") == "signup_v2":
            event["event"] = "Signed Up"
        event.get("properties", {}).pop("internalNotes", None)
        return self.translate(event, settings)


tidy = Tidy()
signup = {"type": "track", "event": "signup_v2", "properties": {"via": "web", "internalNotes": "x"}}
for user_id in ("u-7", "staff-1"):
    translation = tidy({**signup, "userId": user_id}, Settings())
    print([call.body() for call in translation.calls], translation.skipped)
print(signup)
