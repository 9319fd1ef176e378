"""The cases of the suite, as values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs

from iterable_destination.model.json_codec import decode

#: The parts of the suite, each a folder of cases.
SYSTEMS: Final = ("classic", "mapped", "source", "hosts")


@attrs.frozen
class Case:
    """One case: an input, and what becomes of it."""

    #: The name of its file, without its ending. No two cases of the suite have the same.
    id: str
    #: One of :data:`SYSTEMS`.
    system: str
    #: What it shows, in a sentence.
    shows: str
    #: The rule that it belongs to, a key of ``rules.json``.
    rule: str
    #: The event, the webhook, or what a host hands over.
    input: Any
    #: What becomes of it.
    output: dict[str, Any]
    #: The settings, under Segment's names or ours; of the source its options.
    settings: dict[str, Any]
    #: The rows of the reference's tables that it shows: ``track.md: eventName``.
    rows: tuple[str, ...] = ()
    #: Why the result differs from that of Segment's original; None where it does not.
    departure: str | None = None
    #: What Segment's original gives, ``{"output": …}`` or ``{"unknown": why}``; None without a
    #: departure.
    original: dict[str, Any] | None = None
    #: The subscriptions of a mapped destination, as Segment writes them; None in other systems.
    subscriptions: list[Any] | None = None
    #: The host that hands the input over: ``sqs``, ``kinesis``, ``eventbridge`` or ``http``; None
    #: in other systems.
    host: str | None = None

    @property
    def request(self) -> dict[str, Any]:
        """What an implementation is asked: the case without what is expected, in new objects."""
        request = {"id": self.id, "system": self.system, "settings": self.settings}
        if self.subscriptions is not None:
            request["subscriptions"] = self.subscriptions
        if self.host is not None:
            request["host"] = self.host
        copied: dict[str, Any] = json.loads(json.dumps(request | {"input": self.input}))
        return copied


def cases(system: str | None = None) -> list[Case]:
    """Return the cases of a system, or of all for None, sorted by id within a system.

    Raises :exc:`ValueError` for a system that there is not.
    """
    if system is not None and system not in SYSTEMS:
        message = f"there is no system {system}"
        raise ValueError(message)
    suite = find_suite()
    presets = _read(suite / "presets.json")
    return [
        _make_case(path, presets)
        for name in ((system,) if system else SYSTEMS)
        for path in sorted((suite / name).glob("*.json"), key=lambda path: path.stem)
    ]


def read_rules() -> dict[str, dict[str, str]]:
    """Return the rules by their names: the ``system``, the ``title`` and the ``page`` of each."""
    rules: dict[str, dict[str, str]] = _read(find_suite() / "rules.json")
    return rules


def select(
    found: list[Case],
    rules: tuple[str, ...] = (),
    *,
    departures: Callable[[Case], bool] = lambda _: True,
) -> list[Case]:
    """Return the cases of these rules, or of all without any, in their order.

    A rule includes those that it begins with a dot: ``9`` includes ``9.1``. Of the cases with a
    departure only those are returned for which ``departures`` holds.
    """
    return [
        case
        for case in found
        if (not rules or case.rule in rules or case.rule.partition(".")[0] in rules)
        and (case.departure is None or departures(case))
    ]


def find_suite() -> Path:
    """Return the folder of the suite: in the installed package, or of the checkout."""
    installed = Path(__file__).parent / "suite"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conformance"


def _make_case(path: Path, presets: list[Any]) -> Case:
    fields = _read(path)
    if fields.pop("presets", False):
        fields["subscriptions"] = presets
    rows = tuple(fields.pop("rows", ()))
    return Case(id=path.stem, system=path.parent.name, rows=rows, **fields)


def _read(path: Path) -> Any:
    return decode(path.read_bytes())
