"""The demo, end to end over HTTP."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from click.testing import CliRunner

from iterable_destination import InvalidEvent, translate
from iterable_destination.cli import console, samples
from iterable_destination.cli.main import command_line

#: The events of the week that are wrong on purpose, and how many problems each has.
REFUSED = {
    "tue-1130-restock-visitor": 1,
    "tue-1500-signup-dmitri": 1,
    "wed-1605-order-chiara-no-total": 1,
    "thu-1040-order-grace-two-problems": 2,
    "thu-1400-profile-ada-typo": 1,
    "fri-1020-review-hiroshi-yesterday": 1,
    "fri-1100-order-fatima-one-product": 1,
}


LETTERS = re.compile(r"[A-Za-zÀ-ž]{3,}")
#: How a row, or an item, of an event of the week begins.
ROW = re.compile(r"(?:  )?(\w{3}-\d{4}-\S+)")


def run_demo(*arguments: str) -> str:
    result = CliRunner().invoke(command_line, ["demo", *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.output


@pytest.fixture(scope="module")
def shown() -> str:
    return run_demo("--all")


@pytest.fixture(scope="module", params=[(), ("--all",)], ids=["short", "all"])
def narrow(request: pytest.FixtureRequest) -> str:
    """The demo in 80 columns, with all or without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        return run_demo(*request.param)


def is_short(text: str) -> bool:
    return "demo --all" in text


def section(text: str, title: str, after: str) -> str:
    return text.split(title, 1)[1].split(after, 1)[0]


def test_the_demo_fits_two_screens(narrow: str) -> None:
    lines = narrow.splitlines()
    assert max(map(len, lines)) <= 80
    assert (len(lines) <= 80) == is_short(narrow)


def test_what_is_refused_comes_last_before_what_to_do_next(narrow: str) -> None:
    refused = narrow.split("What was refused, and why\n")[1]
    assert Counter(ROW.findall(refused)) == Counter(REFUSED.keys())
    assert sum(line.startswith("  ") and ": " in line for line in refused.splitlines()) == 8
    closing = refused.rpartition("\n\n")[2].splitlines()
    assert len(closing) == (4 if is_short(narrow) else 3)
    assert closing[-1].endswith("iterable-destination emulate")


def test_the_last_lines_name_commands_that_there_are(narrow: str) -> None:
    closing = narrow.rpartition("\n\n")[2].splitlines()
    for line in closing:
        program, name, *arguments = line.partition(": ")[2].split()
        command = command_line.commands[name]
        assert program == "iterable-destination"
        with command_line.make_context(program, [], resilient_parsing=True) as parent:
            assert command.make_context(name, arguments, parent=parent).params


def test_no_word_is_broken_in_the_middle(narrow: str) -> None:
    whole = run_demo() if is_short(narrow) else run_demo("--all")
    assert set(LETTERS.findall(narrow)) == set(LETTERS.findall(whole))


def test_a_word_that_is_too_wide_is_broken_where_a_part_of_it_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "22")
    console.print_table("", ("",), [["POST /api/commerce/trackPurchase"], ["thu-1040-order-grace"]])
    rows = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [row for row in rows if row][1:] == [
        *("POST /api/commerce", "/trackPurchase", "thu-1040-order-", "grace")
    ]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        *(("20", 20), ("80", 80), ("999", 999)),
        *((None, 120), ("", 120), ("0", 120), ("19", 120), ("1000", 120), ("-80", 120)),
        *(("80.5", 120), ("wide", 120), ("\u0663\u0663\u0663", 120), ("9" * 20, 120)),
    ],
)
def test_where_there_is_no_terminal_the_variable_says_how_wide_a_table_is(
    columns: str | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    console.print_heading("A title")
    assert max(map(len, capsys.readouterr().out.splitlines())) == expected


def test_the_short_demo_shows_every_kind_of_event_and_its_number() -> None:
    sent = section(run_demo(), "What was sent where, and what was not", "One request in full")
    numbers = re.findall(r"  (\d+) +(?:POST /api|\w)", sent)
    assert sum(map(int, numbers)) == len(list(samples.week())) - len(REFUSED)
    assert re.search(r"identify +20 +POST /api/users/update", sent)
    assert "integrations.Iterable is false" in sent


def test_every_event_of_the_week_is_shown_with_its_outcome(shown: str) -> None:
    sent = section(shown, "What was sent where", "What was changed")
    ids = [str(event["messageId"]) for event in samples.week()]
    assert [row.group(1) for row in map(ROW.match, sent.splitlines()) if row] == ids


def test_two_customers_are_shown_as_they_are_at_the_end_of_the_week(shown: str) -> None:
    ada = section(shown, "The profile of ada@example.com", "The event history of ada")
    assert re.search(r'settings +\{"theme": "light", "weekly_letter": true', ada)
    assert re.search(r"shoppingCartItems +\[\]", ada)
    bruno = section(shown, "The profile of bruno@example.com", "The event history of bruno")
    assert re.search(r'settings +\{"theme": "dark", "push": true\}', bruno)
    history = section(shown, "The event history of ada@example.com", "The profile of bruno")
    assert history.count("purchase of") == 2


def test_the_counts_add_up_to_the_week(shown: str) -> None:
    counts = re.findall(r"^  (delivered|skipped|rejected) +(\d+)", shown, re.MULTILINE)
    assert dict(counts) == {"delivered": "58", "skipped": "5", "rejected": "7"}


def test_the_week_is_refused_where_it_is_meant_to_be() -> None:
    problems = {}
    for event in samples.week():
        try:
            translate(event)
        except InvalidEvent as error:
            problems[error.message_id] = len(error.problems)
    assert problems == REFUSED
