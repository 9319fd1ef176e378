"""Your test: it asks the local Iterable what arrived."""

from iterable_destination import Destination, Settings
from iterable_destination.testing import LocalIterable

from signup import sign_up


def test_a_new_customer_is_known_to_iterable(local_iterable: LocalIterable) -> None:
    """The profile and the event are there."""
    settings = Settings(api_key=local_iterable.api_key, base_url=local_iterable.url)
    with Destination(settings) as destination:
        assert sign_up(destination, "u-7", "jane@example.com")

    project = local_iterable.project
    user = project.user("jane@example.com")
    assert user is not None
    assert user["dataFields"]["plan"] == "free"
    assert [event["eventName"] for event in project.events("u-7")] == ["Signed Up"]
    assert [request.path for request in project.requests] == [
        "/api/users/update",
        "/api/events/track",
    ]
