"""How long a webhook of Iterable's takes, as a ratio to reading and writing it as JSON.

Run ``python benchmarks/source.py``. It measures ``to_segment`` as ``benchmarks/translate.py``
measures ``translate``: each collection of webhooks as Iterable sends them, and all webhooks of
ever other shapes together. ``--without-orjson`` does as if orjson was not installed.
"""

from __future__ import annotations

import argparse
from typing import Final

from measure import ALL, Json, Measurement, add_arguments, machine, print_figures, print_head
from webhooks import WEBHOOKS

from iterable_destination.model import json_codec
from iterable_destination.source import to_segment
from iterable_destination.source.collections import COLLECTIONS

_WIRES: Final = {each.wire.lower(): each.wire for each in COLLECTIONS}
_WIDTH: Final = 24


def collection_of(webhook: Json) -> str:
    """Return the collection that a webhook belongs to, in Iterable's spelling."""
    return _WIRES.get(webhook["eventName"].lower(), "(ignored)")


def report(name: str, count: int, rounds: int) -> None:
    """Print the figures of each collection, if it matters, and of all."""
    figures = Measurement(to_segment, collection_of).run(WEBHOOKS[name], count, rounds)
    for wire in (*(_WIRES.values() if name == "ours" else ()), ALL):
        print_figures(name, wire, figures[wire], _WIDTH)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--corpus", choices=WEBHOOKS, help="by default both, one after the other")
    parser.add_argument("--without-orjson", action="store_true")
    arguments = parser.parse_args()
    if arguments.without_orjson:
        json_codec.HAS_ORJSON = False
    library = "orjson" if json_codec.HAS_ORJSON else "the standard library"
    size = f"{arguments.rounds} rounds of {arguments.events:,} webhooks"
    print(f"{size}, {library}; {machine()}\n")
    print_head(second="collection", width=_WIDTH)
    for name in [arguments.corpus] if arguments.corpus else WEBHOOKS:
        report(name, arguments.events, arguments.rounds)


if __name__ == "__main__":
    main()
