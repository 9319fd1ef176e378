"""An implementation is run over cases, and each case has a result."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs
import pytest

from iterable_destination import Settings, Translation, translate
from iterable_destination.conformance import answer, cases, run
from iterable_destination.conformance.running import find_judged

CASES = {case.id: case for case in cases()}


def fail(_: Any) -> Any:
    message = "not written yet"
    raise NotImplementedError(message)


@pytest.mark.parametrize("system", ["classic", "mapped", "source", "hosts"])
def test_the_package_passes_every_case(system: str) -> None:
    results = run(answer, cases(system))
    assert len(results) == len(cases(system))
    assert [result for result in results if result.differences] == []


def test_all_cases_are_run_if_none_are_chosen() -> None:
    results = run(lambda _: None)
    assert [result.case for result in results] == cases()
    assert all(result.differences for result in results)


def test_what_an_implementation_raises_is_a_difference() -> None:
    [result] = run(fail, [CASES["sqs"]])
    assert result.differences == ("NotImplementedError: not written yet",)


def test_no_cases_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"^there are no such cases$"):
        run(answer, [])


def test_a_translator_of_ones_own_is_asked() -> None:
    def skip_pages(event: Any, settings: Settings) -> Translation:
        if event["type"] == "page":
            return Translation(event["messageId"], skipped="no pages")
        return translate(event, settings)

    chosen = [CASES["page-whole"], CASES["track-whole"]]
    page, track = run(partial(answer, translate=skip_pages), chosen)
    assert page.differences[0].startswith("calls: expected [")
    assert track.differences == ()


def test_what_the_original_gives_is_expected_where_that_is_asked() -> None:
    case = CASES["page-whole"]
    skipped = {"output": {"skipped": "as the original does"}}
    departing = attrs.evolve(case, departure="It is sent.", original=skipped)
    unknown = attrs.evolve(departing, original={"unknown": "Nobody looked."})
    chosen = [case, departing, unknown]
    assert find_judged(chosen, original=True) == chosen[:2]
    assert find_judged(chosen, original=False) == chosen
    same, other = run(answer, chosen, original=True)
    assert same.differences == ()
    assert [each.partition(":")[0] for each in other.differences] == ["calls", "skipped"]
    skips = run(lambda _: {"messageId": "m1", "skipped": "so"}, [departing], original=True)
    assert skips[0].differences == ()
