"""Change the email of a user, in a project that knows its users by email."""

from iterable_destination import Client, Destination, Settings
from iterable_destination.errors import IdentityConflict
from iterable_destination.testing import LocalIterable, Project

with LocalIterable(Project(project_type="email")) as iterable:
    settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
    with Destination(settings) as destination:
        for user_id, email in (("u-7", "jane@example.com"), ("u-8", "ada@example.com")):
            destination.send({"type": "identify", "userId": user_id, "traits": {"email": email}})

    with Client(settings) as client:
        answer = client.update_email("jane.doe@example.com", email="jane@example.com")
        print(answer.status, answer.code)
        try:
            client.update_email("ada@example.com", email="jane.doe@example.com")
        except IdentityConflict as error:
            print(error.status, error.code)

    user = iterable.project.user("u-7")
    print(user["email"] if user else "nobody")
