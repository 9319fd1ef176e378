"""The corpora to measure with, by name, and what they have in common.

Write one, or check that all are what they say::

    python benchmarks/corpora.py shapes 20000 > shapes.jsonl
    python benchmarks/corpora.py --check
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import corpus
import shapes
import spec

from iterable_destination import Settings, translate
from iterable_destination.model.endpoints import MAX_SEGMENT_EVENT_BYTES

Json = dict[str, Any]
#: Makes so many events, the same for the same seed.
MakeEvents = Callable[[int, int], Iterator[Json]]

#: ``ours`` is what the package was tuned to; ``spec`` is what Segment documents and its libraries
#: send; in ``shapes`` hardly an event is like another.
CORPORA: Final[dict[str, MakeEvents]] = {
    "ours": corpus.events,
    "spec": spec.events,
    "shapes": shapes.events,
}
KINDS: Final = ("identify", "track", "page", "order", "cart")
_BY_NAME: Final = {
    "order completed": "order",
    "completed order": "order",
    "product added": "cart",
    "product removed": "cart",
    "cart updated": "cart",
}


def call_kind(event: Json) -> str:
    """Say what `event` is: identify, track, page (screens too), order or cart."""
    if event["type"] != "track":
        return "identify" if event["type"] == "identify" else "page"
    kind = _BY_NAME.get(event["event"].lower().replace("_", " "), "track")
    has_products = isinstance((event.get("properties") or {}).get("products"), list)
    return kind if kind == "order" or has_products else "track"


def settings_for(name: str, **more: Any) -> Settings:
    """Return the settings for a corpus: every page is sent, be it by the defaults or asked for."""
    return Settings(track_all_pages=name != "ours", **more)


def add_corpus_argument(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Let the command line choose a corpus; None by default if `default` is None."""
    words = f"by default {default}" if default else "by default all, one after another"
    parser.add_argument("--corpus", choices=CORPORA, default=default, help=words)


def check(name: str, count: int = 20_000) -> None:
    """Raise an error unless a corpus is what it should be.

    It is the same for the same seed, has 5 % of each kind or more, no event is refused, and at most
    4 % are skipped; no event is larger than the 32 KB that Segment takes. Prints what it found.
    """
    make = CORPORA[name]
    if list(make(500, 3)) != list(make(500, 3)) or list(make(9, 3)) == list(make(9, 4)):
        raise SystemExit(f"{name}: it does not depend on the seed alone")
    settings, skipped = settings_for(name), 0
    kinds: Counter[str] = Counter()
    sizes = []
    for event in make(count, 1):
        translation = translate(json.loads(json.dumps(event)), settings)  # raises if refused
        skipped += translation.skipped is not None
        kinds[call_kind(event)] += 1
        sizes.append(len(json.dumps(event)))
    shares = {kind: kinds[kind] / count for kind in KINDS}
    if (
        min(shares.values()) < 0.05
        or skipped > 0.04 * count
        or max(sizes) > MAX_SEGMENT_EVENT_BYTES
    ):
        raise SystemExit(f"{name}: {shares}, {skipped} skipped, the largest is {max(sizes)}")
    listed = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())
    print(f"{name}: {listed}; {skipped / count:.1%} skipped;", end=" ")
    print(f"{sum(sizes) / count:,.0f} bytes each, at most {max(sizes):,}")


def main() -> None:
    """Write events to standard output in UTF-8, or check all corpora."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", choices=CORPORA, nargs="?", default="ours")
    parser.add_argument("events", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if arguments.check:
        for name in CORPORA:
            check(name)
        return
    made = CORPORA[arguments.corpus](arguments.events, arguments.seed)
    for event in made:
        sys.stdout.buffer.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
