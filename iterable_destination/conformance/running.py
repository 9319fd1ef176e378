"""Run an implementation over cases, and say where it differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from iterable_destination.conformance.cases import Case, cases
from iterable_destination.conformance.comparing import compare

#: Takes the request of a case, and returns its output.
Implementation = Callable[[dict[str, Any]], Any]


@attrs.frozen
class Result:
    """How an implementation did in one case."""

    case: Case
    #: Each difference from what the case says; empty if it passed.
    differences: tuple[str, ...]


def run(
    implementation: Implementation,
    chosen: Iterable[Case] | None = None,
    *,
    notes: bool = True,
    original: bool = False,
) -> list[Result]:
    """Ask an implementation about cases, one after another, and return a result for each.

    ``chosen`` None is all cases. What the implementation raises is a difference. ``notes`` and
    ``original`` are as of :func:`compare`; with ``original`` what Segment's original gives is
    expected where a case departs from it, and cases of which that is not known are left out.

    Raises :exc:`ValueError` if there is no case to run.
    """
    found = find_judged(cases() if chosen is None else chosen, original=original)
    if not found:
        message = "there are no such cases"
        raise ValueError(message)
    results = []
    for case in found:
        try:
            answered = {"output": implementation(case.request)}
        except Exception as error:  # noqa: BLE001 - whatever it raises, the next case is asked
            answered = {"failure": f"{type(error).__name__}: {error}"}
        results.append(judge(case, answered, notes=notes, original=original))
    return results


def find_judged(chosen: Iterable[Case], *, original: bool) -> list[Case]:
    """Return the cases of which it is known what is expected."""
    return [case for case in chosen if not original or find_expected(case, original=True)]


def find_expected(case: Case, *, original: bool) -> dict[str, Any] | None:
    """Return the output that is expected, or None if it is not known."""
    if not original or case.original is None:
        return case.output
    return case.original.get("output")


def judge(case: Case, answered: Mapping[str, Any], *, notes: bool, original: bool) -> Result:
    """Return the result for an answer, ``{"output": …}`` or ``{"failure": why}``."""
    if "output" not in answered:
        return Result(case, (str(answered["failure"]),))
    expected = find_expected(case, original=original) or {}
    found = compare(expected, answered["output"], notes=notes, original=original)
    return Result(case, tuple(found))
