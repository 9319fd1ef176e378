"""How long a mapped destination takes, as a ratio to reading and writing the same events as JSON.

Run ``python benchmarks/actions.py``. It measures as ``benchmarks/translate.py`` does, with the
presets, and with 50 subscriptions of which one fires. So that every preset has its share, the
corpus' carts are named ``Cart Updated``. No preset fires for its pages.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections import defaultdict
from typing import Any

from corpus import call_kind, events
from translate import best_times, report_line

from iterable_destination import Translation
from iterable_destination.mapping.actions import (
    DEFAULT_MAPPINGS,
    PRESETS,
    PRESETS_JSON,
    MappedTranslator,
    subscriptions_from_json,
)

KINDS = ("identify", "track", "order", "cart")
NOT_FIRING = "page"

#: What 46 more subscriptions ask for, besides the four presets: nothing that any event has. Half of
#: them can be told by the event's name, and half need a look at its properties.
TRIGGERS = (
    'type = "track" and event = "Never {0}"',
    'type = "track" and properties.plan = "never {0}"',
    '(type = "track" or type = "identify") and context.app.build = "never {0}"',
    'contains(event, "Never {0}") or match(event, "Never {0}*")',
)


def mapped_events(count: int) -> dict[str, list[dict[str, Any]]]:
    """Make events by their kind; presets fire for all but pages."""
    by_kind: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events(count):
        kind = call_kind(event)
        if kind == "cart":
            event["event"] = "Cart Updated"
        by_kind[kind].append(event)
    return by_kind


def fifty() -> MappedTranslator:
    """Return a destination with the presets and 46 subscriptions that never fire."""
    others = [
        {
            "name": f"Never {number}",
            "partnerAction": "trackEvent",
            "subscribe": TRIGGERS[number % len(TRIGGERS)].format(number),
            "mapping": DEFAULT_MAPPINGS["trackEvent"],
        }
        for number in range(46)
    ]
    return MappedTranslator(subscriptions_from_json([*others, *PRESETS_JSON]))


def report(title: str, translator: MappedTranslator, count: int, rounds: int) -> None:
    """Print the ratio for each kind of event and for all."""

    def read_and_translate(text: str) -> Translation:
        return translator(json.loads(text))

    by_kind = mapped_events(count)
    print(f"\n{title}")
    print(f"{'kind':10}{'events':>8}{'translate':>14}{'loads + dumps':>16}{'ratio':>8}")
    totals, number = [0.0, 0.0], 0
    for kind in (*KINDS, NOT_FIRING):
        if kind == NOT_FIRING:
            report_line("(firing)", number, *totals)
        times = best_times(by_kind[kind], rounds, read_and_translate)
        totals = [total + time for total, time in zip(totals, times, strict=True)]
        number += len(by_kind[kind])
        report_line(kind, len(by_kind[kind]), *times)
    report_line("all", number, *totals)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"
    print(f"best of {arguments.rounds} rounds; {machine}")
    presets = MappedTranslator(PRESETS)
    report("the four presets", presets, arguments.events, arguments.rounds)
    report("50 subscriptions, one fires", fifty(), arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
