"""What the scripts of the pages ask for: each method takes a JSON object and returns one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import InvalidWebhook
from iterable_destination.mapping.explanation import explain_event
from iterable_destination.mapping.translate import Translator
from iterable_destination.model.calls import Identity
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.settings import Settings
from iterable_destination.playground import views
from iterable_destination.playground.attempt import (
    WrongAttempt,
    read_attempt,
    read_choices,
    read_json_object,
)
from iterable_destination.playground.marks import Mark, mark_event, mark_webhook
from iterable_destination.playground.users import UserViews
from iterable_destination.source import Ignored, to_segment
from iterable_destination.testing import LocalIterable, engagement

_NO_SUCH_USER: Final = "the local Iterable knows no such user: send an event about the user first"


class Answers:
    """Answers the pages, over a local Iterable. Safe to use from several threads.

    ``settings`` are those that hold where a page chooses none. ``samples`` are events to choose
    from, and ``receiver`` is the address that webhooks are posted to, None for none.
    """

    def __init__(
        self,
        iterable: LocalIterable,
        settings: Settings,
        samples: Sequence[Mapping[str, Any]] = (),
        receiver: str | None = None,
    ) -> None:
        self._iterable: Final = iterable
        self._settings: Final = settings
        self._samples: Final = samples
        self._receiver: Final = receiver
        self._users: Final = UserViews(iterable.project)

    def translate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an event becomes, the marks in its text, and who it is about."""
        try:
            attempt = read_attempt(asked, self._settings)
        except WrongAttempt as error:
            return {"html": views.show_mistake(str(error)), "marks": [], "canSend": False}
        explanation = explain_event(attempt.event, attempt.translator, attempt.settings)
        marks = mark_event(attempt.event, explanation, attempt.subscriptions)
        return {
            "html": views.show_explanation(attempt.event, explanation),
            "marks": _list_marks(marks),
            "canSend": bool(explanation.requests),
            "user": _name_user([request.call.identity for request in explanation.requests]),
        }

    def send(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Deliver an event to the local Iterable."""
        try:
            attempt = read_attempt(asked, self._settings)
        except WrongAttempt as error:
            return {"html": views.show_mistake(str(error))}
        return self._deliver([attempt.event], attempt.settings, attempt.translator)

    def send_samples(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Deliver all samples to the local Iterable, by the settings and mappings of the page."""
        try:
            settings, translator = read_choices(asked, self._settings)
        except WrongAttempt as error:
            return {"html": views.show_mistake(str(error))}
        return self._deliver(self._samples, settings, translator)

    def _deliver(
        self, events: Iterable[Any], settings: Settings, translator: Translator
    ) -> dict[str, Any]:
        here = attrs.evolve(
            settings, api_key=self._iterable.api_key, base_url=self._iterable.url, enabled=True
        )
        with Destination(here, translator=translator) as destination:
            outcomes: list[Outcome] = sorted(
                destination.send_all(events), key=lambda outcome: outcome.index
            )
        sent = [call.identity for outcome in outcomes for call in outcome.calls]
        return {"html": views.show_outcomes(outcomes), "user": _name_user(sent)}

    def show_user(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the local Iterable has of a user, by email or userId."""
        name = asked.get("user")
        if not isinstance(name, str):
            raise WrongAttempt("user: must be a string")
        return {"html": views.show_user(name, self._users.show(name))}

    def make_webhook(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Let the local Iterable report what a user did; post it if there is a receiver."""
        name, user = asked.get("name"), asked.get("user")
        if not isinstance(name, str) or not isinstance(user, str):
            raise WrongAttempt("name and user: must be strings")
        try:
            webhook = self._iterable.webhook(name, user)
        except ValueError:
            raise WrongAttempt(_NO_SUCH_USER) from None
        return {"webhook": webhook, "posted": self._post(webhook)}

    def _post(self, webhook: Mapping[str, Any]) -> str:
        """Post a webhook to the receiver; return what became of it, "" if there is no receiver."""
        if self._receiver is None:
            return ""
        try:
            status = engagement.post(self._receiver, webhook, None)
        except OSError as error:
            return f"{self._receiver}: {type(error).__name__}"
        return f"{self._receiver} responded with {status}"

    def translate_webhook(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a webhook of Iterable's becomes for Segment."""
        try:
            webhook = read_json_object(asked.get("text"))
        except WrongAttempt as error:
            return {"html": views.show_mistake(str(error)), "marks": []}
        try:
            track = to_segment(webhook)
        except InvalidWebhook as error:
            marks = mark_webhook(webhook, error.problems)
            html = views.show_refused_webhook(webhook, error.problems)
            return {"html": html, "marks": _list_marks(marks)}
        notes = () if isinstance(track, Ignored) else track.notes
        marks = mark_webhook(webhook, notes)
        return {"html": views.show_track(webhook, track), "marks": _list_marks(marks)}


def _list_marks(marks: Iterable[Mark]) -> list[dict[str, Any]]:
    """Return marks as the editor takes them: its paths are strings."""
    return [attrs.asdict(mark) | {"path": list(map(str, mark.path))} for mark in marks]


def _name_user(identities: Iterable[Identity]) -> str | None:
    """Return the email or userId of the first of these who has one."""
    return next((who.email or who.user_id for who in identities if not who.is_anonymous), None)
