"""The demo: a small shop's week, sent over HTTP to a local Iterable.

Nothing leaves this machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
#: The events whose requests are shown in full, by their ``messageId``: a short one and a long one.
_SHOWN_EVENT: Final = "mon-0915-newsletter-ada"
_SHOWN_ORDER: Final = "wed-0924-order-ada"


def run(*, shows_all: bool = False) -> None:
    """Send the week, and print what was sent where, an example, and what was refused and why.

    ``shows_all`` also prints each event by itself, every note, and two customers as they are at the
    end of the week.
    """
    with LocalIterable() as iterable:
        settings = Settings(api_key=iterable.api_key, base_url=iterable.url)
        console.print_heading(f"A small shop's week, sent to a local Iterable at {iterable.url}")
        with Destination(settings) as destination:
            events = list(samples.week())
            outcomes = [destination.send(event, index=index) for index, event in enumerate(events)]
        webhooks = [iterable.webhook(name, _CUSTOMERS[0]) for name in _WEBHOOK_NAMES]
    if shows_all:
        _show_each(events, outcomes)
        _show_request(outcomes, _SHOWN_ORDER)
        _show_users(iterable.project)
    else:
        _show_kinds(events, outcomes)
        _show_request(outcomes, _SHOWN_EVENT)
    console.print_table(
        f"What goes back to Segment when {_CUSTOMERS[0]} gets an email",
        ("Iterable's webhook", "Segment event", "userId", "timestamp"),
        [_describe_webhook(webhook) for webhook in webhooks],
    )
    if shows_all:
        console.print_counts(
            "The week's events by outcome", Counter(outcome.name for outcome in outcomes)
        )
    console.print_items(
        "What was refused, and why",
        [
            (str(outcome.message_id), _describe_refusal(outcome))
            for outcome in outcomes
            if outcome.error
        ],
    )
    for line in _CLOSING[shows_all:]:
        console.print_text(line)


#: Commands that go on from here; the first has been done where everything is shown.
_CLOSING: Final = (
    "Each event, and two customers:    iterable-destination demo --all",
    "Your own events, without sending: iterable-destination translate FILE",
    "The same on a page:               iterable-destination playground",
    "A local Iterable to send them to: iterable-destination emulate",
)


def _show_kinds(events: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """Show the events by their type and by what became of them, without those that are refused."""
    numbers = Counter[tuple[str, str]]()
    names: dict[tuple[str, str], dict[str, None]] = {}
    for event, outcome in zip(events, outcomes, strict=True):
        if not outcome.error:
            kind = event["type"], _describe_result(outcome)
            numbers[kind] += 1
            names.setdefault(kind, {})[_find_name(event)] = None
    console.print_table(
        "What was sent where, and what was not",
        ("Segment events", "number", "Iterable request, or why not"),
        [
            (f"{kind} {', '.join(filter(None, names[kind, result]))}", f"{number:,}", result)
            for (kind, result), number in numbers.most_common()
        ],
    )


def _show_each(events: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> None:
    """Show what became of each event, and the notes."""
    console.print_table(
        "What was sent where",
        ("messageId", "Segment event", "outcome", "Iterable request, or why not"),
        [
            _describe_delivery(event, outcome)
            for event, outcome in zip(events, outcomes, strict=True)
        ],
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


def _show_request(outcomes: Sequence[Outcome], message_id: str) -> None:
    outcome = next(each for each in outcomes if each.message_id == message_id)
    console.print_request(f"One request in full: {message_id}", outcome.calls[0])


def _show_users(project: Project) -> None:
    console.print_text(
        "The server keeps profileUpdatedAt, signupDate and itblInternal itself: they say now.\n"
    )
    for email in _CUSTOMERS:
        _show_user(project, email)


def _find_name(event: dict[str, Any]) -> str:
    return event.get("event") or event.get("name") or event.get("category") or ""


def _describe_result(outcome: Outcome) -> str:
    requests = ", ".join(f"{call.endpoint.method} {call.endpoint.path}" for call in outcome.calls)
    return requests or ("see below" if outcome.error else outcome.message or "")


def _describe_delivery(event: dict[str, Any], outcome: Outcome) -> tuple[str, str, str, str]:
    return (
        str(outcome.message_id),
        f"{event['type']} {_find_name(event)}".strip(),
        outcome.name,
        _describe_result(outcome),
    )


def _describe_webhook(webhook: dict[str, Any]) -> tuple[str, str, str, str]:
    track = to_segment(webhook)
    if isinstance(track, Ignored):
        return (webhook["eventName"], track.reason, "", "")
    who = track.user_id or track.anonymous_id
    return (webhook["eventName"], track.event, str(who), str(track.timestamp))


def _describe_refusal(outcome: Outcome) -> list[str]:
    if isinstance(outcome.error, Invalid):
        return [f"{problem.path}: {problem.message}" for problem in outcome.error.problems]
    return [outcome.message or ""]


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
