"""The demo: a small shop's week, sent over HTTP to a local Iterable.

Nothing leaves this machine.
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

#: The customers whose profile and history are shown at the end.
_CUSTOMERS: Final = ("ada@example.com", "bruno@example.com")
#: Iterable's names of what the first customer does with an email.
_WEBHOOK_NAMES: Final = ("emailSend", "emailOpen", "emailClick")
#: The ``messageId`` of the event whose request is shown in full.
_SHOWN_ORDER: Final = "wed-0924-order-ada"


def run() -> None:
    """Send the week, and print the requests, the refused events and the resulting profiles."""
    with LocalIterable() as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        console.print_heading(f"A small shop's week, sent to a local Iterable at {iterable.url}")
        with Destination(settings) as destination:
            events = list(samples.week())
            outcomes = [destination.send(event, index=index) for index, event in enumerate(events)]
        webhooks = [iterable.webhook(name, _CUSTOMERS[0]) for name in _WEBHOOK_NAMES]
    console.print_table(
        "What was sent where",
        ("messageId", "Segment event", "outcome", "Iterable request, or why not"),
        [
            _describe_delivery(event, outcome)
            for event, outcome in zip(events, outcomes, strict=True)
        ],
    )
    console.print_table(
        "What was refused, and why",
        ("messageId", "place in the event", "problem"),
        [row for outcome in outcomes for row in _describe_refusal(outcome)],
    )
    console.print_table(
        "What was changed on the way, or looks wrong",
        ("messageId", "place in the event", "note"),
        [
            (str(outcome.message_id), note.path, note.message)
            for outcome in outcomes
            for note in outcome.notes
        ],
    )
    order = next(outcome for outcome in outcomes if outcome.message_id == _SHOWN_ORDER)
    console.print_request(f"One request in full: {_SHOWN_ORDER}", order.calls[0])
    console.print_text(
        "The server keeps profileUpdatedAt, signupDate and itblInternal itself: they say now.\n"
    )
    for email in _CUSTOMERS:
        _show_user(iterable.project, email)
    console.print_table(
        f"What goes back to Segment when {_CUSTOMERS[0]} gets an email",
        ("Iterable's webhook", "Segment event", "userId", "timestamp"),
        [_describe_webhook(webhook) for webhook in webhooks],
    )
    console.print_counts(
        "The week's events by outcome", Counter(outcome.name for outcome in outcomes)
    )
    console.print_text(
        "Next: `iterable-destination translate FILE` shows the same for your own events; "
        "`iterable-destination emulate` keeps such an Iterable running."
    )


def _describe_delivery(event: dict[str, Any], outcome: Outcome) -> tuple[str, str, str, str]:
    name = event.get("event") or event.get("name") or event.get("category") or ""
    requests = ", ".join(f"{call.endpoint.method} {call.endpoint.path}" for call in outcome.calls)
    happened = requests or ("see below" if outcome.error else outcome.message or "")
    return (
        str(outcome.message_id),
        f"{event['type']} {name}".strip(),
        console.style_outcome(outcome.name),
        happened,
    )


def _describe_webhook(webhook: dict[str, Any]) -> tuple[str, str, str, str]:
    track = to_segment(webhook)
    if isinstance(track, Ignored):
        return (webhook["eventName"], track.reason, "", "")
    who = track.user_id or track.anonymous_id
    return (webhook["eventName"], track.event, str(who), str(track.timestamp))


def _describe_refusal(outcome: Outcome) -> list[tuple[str, str, str]]:
    if isinstance(outcome.error, Invalid):
        return [
            (str(outcome.message_id), problem.path, problem.message)
            for problem in outcome.error.problems
        ]
    return [(str(outcome.message_id), "", outcome.message or "")] if outcome.error else []


def _show_user(project: Project, email: str) -> None:
    user = project.user(email) or {}
    console.print_fields(
        f"The profile of {email} at the end of the week", user.get("dataFields", {})
    )
    purchases = [
        {"eventName": f"purchase of {purchase['total']}"} | purchase
        for purchase in project.purchases(email)
    ]
    history = sorted(project.events(email) + purchases, key=lambda event: event["createdAt"])
    console.print_table(
        f"The event history of {email}",
        ("when", "event", "fields"),
        [
            (_format_time(event), event["eventName"], console.format_value(event["dataFields"]))
            for event in history
        ],
    )


def _format_time(event: dict[str, Any]) -> str:
    return f"{datetime.fromtimestamp(event['createdAt'], UTC):%a %d %b %H:%M}"
