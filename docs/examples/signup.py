"""Your code: it tells Iterable about a new customer."""

from iterable_destination import Destination


def sign_up(destination: Destination, user_id: str, email: str) -> bool:
    """Send an identify and a track, and say whether Iterable has both."""
    events = (
        {"type": "identify", "userId": user_id, "traits": {"email": email, "plan": "free"}},
        {"type": "track", "userId": user_id, "event": "Signed Up", "properties": {"via": "web"}},
    )
    outcomes = [destination.send(event) for event in events]
    return all(outcome.name == "delivered" for outcome in outcomes)
