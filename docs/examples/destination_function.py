"""A function that changes a user's email, on alias and on a trait."""

from typing import Any

from iterable_destination import Destination, DestinationFunction, Settings
from iterable_destination.model.calls import Call, Identity, UpdateEmail
from iterable_destination.testing import LocalIterable, Project


class EmailChanges(DestinationFunction):
    """Sends ``updateEmail`` where an event says that an email is another one now."""

    def on_alias(self, event: dict[str, Any], _: Settings) -> Call:
        """Change the email from ``previousId`` to ``userId``."""
        return UpdateEmail(Identity(email=event["previousId"]), event["userId"])

    def on_identify(self, event: dict[str, Any], settings: Settings) -> list[Call]:
        """Write the profile, then change the email to the trait ``newEmail`` if there is one."""
        new_email = event["traits"].pop("newEmail", None)
        calls = list(self.translate(event, settings).calls)
        if new_email is not None:
            calls.append(UpdateEmail(Identity(email=event["traits"]["email"]), new_email))
        return calls


with LocalIterable(Project(project_type="email")) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings, translator=EmailChanges()) as destination:
        for event in (
            {"type": "identify", "traits": {"email": "jane@example.com", "plan": "pro"}},
            {"type": "alias", "previousId": "jane@example.com", "userId": "doe@example.com"},
            {"type": "identify", "traits": {"email": "doe@example.com", "newEmail": "d@doe.org"}},
        ):
            outcome = destination.send(event)
            print(outcome.name, *[call.endpoint.path for call in outcome.calls])
    user = iterable.project.user("d@doe.org")
    print(user["dataFields"]["plan"] if user else "nobody")
