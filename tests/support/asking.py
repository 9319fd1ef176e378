"""How these tests ask a project: one function per kind of question, with the time held still."""

from __future__ import annotations

import json
from typing import Any

from iterable_destination.testing import Project, Response

#: 2023-02-05 18:42:10 UTC, in unix seconds.
NOW = 1_675_622_530.75
NOW_TEXT = "2023-02-05 18:42:10 +00:00"
LATER = NOW + 60
LATER_TEXT = "2023-02-05 18:43:10 +00:00"

SUCCESS = {"msg": "", "code": "Success", "params": None}


def ask(
    project: Project, method: str, path: str, body: object = None, *, now: float = NOW
) -> Response:
    """One request with the right key; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else _json(body)
    return project.handle(method, path, {"Api-Key": project.api_key or ""}, content, now)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def post(project: Project, path: str, body: object, *, now: float = NOW) -> tuple[int, Any]:
    """The status and the decoded answer of a POST below ``/api``."""
    answer = ask(project, "POST", f"/api/{path}", body, now=now)
    return answer.status, answer.json()


def get(project: Project, path: str) -> tuple[int, Any]:
    """The status and the decoded answer of a GET below ``/api``."""
    answer = ask(project, "GET", f"/api/{path}")
    return answer.status, answer.json()


def update(project: Project, *, now: float = NOW, **body: Any) -> tuple[int, Any]:
    """``users/update`` with the keys given."""
    return post(project, "users/update", body, now=now)


def track(project: Project, *, now: float = NOW, **body: Any) -> tuple[int, Any]:
    """``events/track`` with the keys given."""
    return post(project, "events/track", body, now=now)


def refused(code: str, msg: str, *, status: int = 400) -> tuple[int, Any]:
    """What a refusal without ``params`` looks like."""
    return status, {"msg": msg, "code": code, "params": None}


def fields(project: Project, who: str) -> dict[str, Any]:
    """A user's ``dataFields`` without what Iterable adds itself."""
    user = project.user(who)
    assert user is not None
    managed = {"signupDate", "signupSource", "profileUpdatedAt", "itblInternal", "email", "userId"}
    return {name: value for name, value in user["dataFields"].items() if name not in managed}
