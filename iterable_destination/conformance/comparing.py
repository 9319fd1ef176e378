"""Compare what an implementation gives with what a case says.

Bodies are compared as JSON values. Problems and notes are compared by place and code, in any order:
their words are for people. Why something is skipped, ignored or raised is in words only, so it
counts that it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

#: In the output of Segment's original, the moment of its translation: any value but null fits.
NOW: Final = "<now>"
#: Where the original puts that moment, if an event has no time.
_TIMES: Final = frozenset({"createdAt", "profileUpdatedAt"})

_MAX_SHOWN: Final = 80
_MISSING: Final = "nothing"


def compare(
    expected: Mapping[str, Any], given: Any, *, notes: bool = True, original: bool = False
) -> list[str]:
    """Return each difference between the output of a case and one that is given; none if it fits.

    Each begins with its place: ``calls[0].body.total: expected 3, not "3"``. ``notes`` False
    compares no notes. ``original`` True compares with what Segment's original gives, so it
    compares neither notes nor the problems of a refused event, but that it is refused; and a time
    of an event is passed over where none is expected.
    """
    if not isinstance(given, Mapping):
        return [f"the output: expected an object, not {_show(given)}"]
    readers = _ORIGINAL if original else _READERS
    keys = [key for key in readers if key in expected or key in given]
    differences: list[str] = []
    for key in keys:
        if key == "notes" and not notes:
            continue
        read = readers[key]
        wanted = read(expected[key]) if key in expected else _Nothing
        try:
            found = read(given[key]) if key in given else _Nothing
        except (KeyError, TypeError):
            found = given[key]  # of another form, which differs
        differences += _differences(wanted, found, key, _TIMES if original else frozenset())
    return differences


class _Nothing:
    """Stands for what is not there."""


def _differences(expected: Any, given: Any, place: str, optional: Collection[str]) -> Iterator[str]:
    """Yield the differences; keys that are ``optional`` are passed over where not expected."""
    if expected == NOW and given is not None and given is not _Nothing:
        return
    if isinstance(expected, dict) and isinstance(given, dict):
        for key in expected | given:
            if key in expected or key not in optional:
                pair = expected.get(key, _Nothing), given.get(key, _Nothing)
                yield from _differences(*pair, f"{place}.{key}", optional)
    elif isinstance(expected, list) and isinstance(given, list) and len(expected) == len(given):
        for index, pair in enumerate(zip(expected, given, strict=True)):
            yield from _differences(*pair, f"{place}[{index}]", optional)
    elif not _is_same(expected, given):
        yield f"{place}: expected {_show(expected)}, not {_show(given)}"


def _is_same(expected: Any, given: Any) -> bool:
    """Whether two values are one: ``1`` and ``1.0`` are, ``1`` and ``true`` are not."""
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    return bool(expected == given)


def _show(value: Any) -> str:
    if value is _Nothing:
        return _MISSING
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a value of type {type(value).__name__} that is no JSON"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


#: Reads a part of an output as what is compared of it.
_Reader = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    return value


def _as_a_fact(_: Any) -> Any:
    return True


def _read_findings(findings: Any) -> Any:
    """Return the places of problems or notes, with their codes, in an order of their own."""
    return sorted([each["path"], each["code"]] for each in findings)


def _read_error(error: Any) -> Any:
    return _read_findings(error["problems"])


def _read_errors(errors: Any) -> Any:
    """Return the subscriptions that failed, each with its problems."""
    return [[each["subscription"], _read_findings(each["problems"])] for each in errors]


def _read_returned(returned: Any) -> Any:
    """Return what a host does something by."""
    return {key: returned[key] for key in ("statusCode", "batchItemFailures") if key in returned}


#: What is compared of an output. Other keys are passed over.
_READERS: Final[Mapping[str, _Reader]] = {
    "messageId": _as_it_is,
    "calls": _as_it_is,
    "skipped": _as_a_fact,
    "error": _read_error,
    "errors": _read_errors,
    "notes": _read_findings,
    "track": _as_it_is,
    "ignored": _as_a_fact,
    "returned": _read_returned,
    "raised": _as_a_fact,
    "delivered": _as_it_is,
}
_ORIGINAL: Final[Mapping[str, _Reader]] = {
    key: _as_a_fact if key in {"error", "errors"} else read
    for key, read in _READERS.items()
    if key not in {"messageId", "notes"}
}
