"""The demo: a small shop's week, sent to a local Iterable over real HTTP.

What may live here: the story and its order. Nothing leaves this machine.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, Final

from iterable_destination.cli import console, samples
from iterable_destination.delivery.destination import Destination
from iterable_destination.errors import Invalid
from iterable_destination.model.outcomes import Outcome
from iterable_destination.model.settings import Settings
from iterable_destination.source import Ignored, to_segment
from iterable_destination.testing import LocalIterable, Project

#: The two customers of the week whose end is shown.
_SHOWN: Final = ("ada@example.com", "bruno@example.com")
#: What the first of them is taken to have done with an email, by Iterable's names.
_HAPPENED: Final = ("emailSend", "emailOpen", "emailClick")
#: The event whose request is shown in full.
_IN_FULL: Final = "wed-0924-order-ada"


def run() -> None:
    """Send the week, and show what was sent where, what was refused, and what came of it."""
    with LocalIterable() as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        console.heading(f"A small shop's week, sent to a local Iterable at {iterable.url}")
        with Destination(settings) as destination:
            events = list(samples.week())
            outcomes = [destination.send(event, index=index) for index, event in enumerate(events)]
        webhooks = [iterable.webhook(name, _SHOWN[0]) for name in _HAPPENED]
    console.table(
        "What was sent where",
        ("messageId", "Segment event", "outcome", "Iterable request, or why not"),
        [_sent(event, outcome) for event, outcome in zip(events, outcomes, strict=True)],
    )
    console.table(
        "What was refused, and why",
        ("messageId", "place in the event", "problem"),
        [row for outcome in outcomes for row in _refused(outcome)],
    )
    console.table(
        "What was changed on the way, or looks wrong",
        ("messageId", "place in the event", "note"),
        [
            (str(outcome.message_id), note.path, note.message)
            for outcome in outcomes
            for note in outcome.notes
        ],
    )
    order = next(outcome for outcome in outcomes if outcome.message_id == _IN_FULL)
    console.request(f"One request in full: {_IN_FULL}", order.calls[0])
    console.text(
        "The server keeps profileUpdatedAt, signupDate and itblInternal itself: they say now.\n"
    )
    for email in _SHOWN:
        _show_user(iterable.project, email)
    console.table(
        f"What goes back to Segment when {_SHOWN[0]} gets an email",
        ("Iterable's webhook", "Segment event", "userId", "timestamp"),
        [_told(webhook) for webhook in webhooks],
    )
    console.counts("The week's events by outcome", Counter(outcome.name for outcome in outcomes))
    console.text(
        "Next: `iterable-destination translate FILE` shows the same for your own events; "
        "`iterable-destination emulate` keeps such an Iterable running."
    )


def _sent(event: dict[str, Any], outcome: Outcome) -> tuple[str, str, str, str]:
    name = event.get("event") or event.get("name") or event.get("category") or ""
    requests = ", ".join(f"{call.endpoint.method} {call.endpoint.path}" for call in outcome.calls)
    happened = requests or ("see below" if outcome.error else outcome.message or "")
    return (
        str(outcome.message_id),
        f"{event['type']} {name}".strip(),
        console.styled(outcome.name),
        happened,
    )


def _told(webhook: dict[str, Any]) -> tuple[str, str, str, str]:
    track = to_segment(webhook)
    if isinstance(track, Ignored):
        return (webhook["eventName"], track.reason, "", "")
    who = track.user_id or track.anonymous_id
    return (webhook["eventName"], track.event, str(who), str(track.timestamp))


def _refused(outcome: Outcome) -> list[tuple[str, str, str]]:
    if isinstance(outcome.error, Invalid):
        return [
            (str(outcome.message_id), problem.path, problem.message)
            for problem in outcome.error.problems
        ]
    return [(str(outcome.message_id), "", outcome.message or "")] if outcome.error else []


def _show_user(project: Project, email: str) -> None:
    user = project.user(email) or {}
    console.fields(f"The profile of {email} at the end of the week", user.get("dataFields", {}))
    purchases = [
        {"eventName": f"purchase of {purchase['total']}"} | purchase
        for purchase in project.purchases(email)
    ]
    history = sorted(project.events(email) + purchases, key=lambda event: event["createdAt"])
    console.table(
        f"The event history of {email}",
        ("when", "event", "fields"),
        [
            (_moment(event), event["eventName"], console.compact(event["dataFields"]))
            for event in history
        ],
    )


def _moment(event: dict[str, Any]) -> str:
    return f"{datetime.fromtimestamp(event['createdAt'], UTC):%a %d %b %H:%M}"
