"""How long a mapped destination takes, as a ratio to reading and writing the same events as JSON.

Run ``python benchmarks/actions.py``. It measures as ``benchmarks/translate.py`` does, with the
presets, and with 50 subscriptions of which one fires. So that every preset has its share and
refuses nothing, what the presets read has the names that they ask for: carts are named
``Cart Updated``. Products without a quantity get one. No preset fires for pages.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final

from corpora import CORPORA, Json, add_corpus_argument, call_kind
from measure import ALL, Measurement, add_arguments, combine, machine, print_figures, print_head

from iterable_destination.mapping.actions import (
    DEFAULT_MAPPINGS,
    PRESETS,
    PRESETS_JSON,
    MappedTranslator,
    subscriptions_from_json,
)

FIRING: Final = ("identify", "track", "order", "cart")
NOT_FIRING: Final = "page"
#: The names and keys that the presets ask for.
EVENT_NAMES: Final = {"order": "Order Completed", "cart": "Cart Updated"}
PRODUCT_KEYS: Final = {"id": "product_id", "productId": "product_id"}

#: What 46 more subscriptions ask for, besides the four presets: nothing that any event has. Half of
#: them can be told by the event's name, and half need a look at its properties.
TRIGGERS: Final = (
    'type = "track" and event = "Never {0}"',
    'type = "track" and properties.plan = "never {0}"',
    '(type = "track" or type = "identify") and context.app.build = "never {0}"',
    'contains(event, "Never {0}") or match(event, "Never {0}*")',
)


def renamed(fields: Any, names: dict[str, str]) -> Any:
    """Return an object with other keys in the same order; anything else as it is."""
    if not isinstance(fields, dict):
        return fields
    return {names.get(key, key): value for key, value in fields.items()}


def mapped_product(product: Json) -> Json:
    """Return a product with the keys that the presets ask for, and a quantity."""
    made: Json = renamed(product, PRODUCT_KEYS)
    return made if made.get("quantity") is not None else made | {"quantity": 1}


def mapped(event: Json) -> Json:
    """Return an event with the names that the presets ask for."""
    kind = call_kind(event)
    event = renamed(event, {"options": "context"})
    if kind in EVENT_NAMES:
        event["event"] = EVENT_NAMES[kind]
    for key in {"traits", "properties"}.intersection(event):
        event[key] = fields = renamed(event[key], {"Email": "email"})
        if fields and kind in EVENT_NAMES:
            fields["products"] = [mapped_product(each) for each in fields["products"]]
    return event


def mapped_events(name: str, count: int, seed: int) -> Iterator[Json]:
    """Make the events of a corpus, with the names that the presets ask for."""
    return map(mapped, CORPORA[name](count, seed))


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


def report(translator: MappedTranslator, name: str, count: int, rounds: int) -> None:
    """Print the figures of a corpus: of each kind, of those that fire, and of all."""

    def make(count: int, seed: int) -> Iterator[Json]:
        return mapped_events(name, count, seed)

    figures = Measurement(translator, call_kind).run(make, count, rounds)
    for kind in FIRING:
        print_figures(name, kind, figures[kind])
    print_figures(name, "(firing)", combine(figures[kind] for kind in FIRING))
    for kind in (NOT_FIRING, ALL):
        print_figures(name, kind, figures[kind])


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    add_corpus_argument(parser)
    arguments = parser.parse_args()
    names = [arguments.corpus] if arguments.corpus else [*CORPORA]
    print(f"{arguments.rounds} rounds of {arguments.events:,} events; {machine()}")
    translators = {
        "the four presets": MappedTranslator(PRESETS),
        "50 subscriptions, one fires": fifty(),
    }
    for title, translator in translators.items():
        print(f"\n{title}")
        print_head()
        for name in names:
            report(translator, name, arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
