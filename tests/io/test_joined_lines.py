"""Values over several lines come whole, and JSON lines as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from iterable_destination.io import joined_lines
from iterable_destination.io.joined_lines import join_lines
from tests.support.examples import examples


def join(text: bytes) -> list[tuple[int, bytes]]:
    lines = enumerate(text.splitlines(keepends=True), 1)
    return list(join_lines((number, line) for number, line in lines if not line.isspace()))


def values_of(text: str) -> list[Any]:
    return [json.loads(value) for _, value in join(text.encode())]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(['"', "\\", "[", "}", ',"a":', "\n", "\u2028"])
)
VALUES = st.recursive(
    SCALARS, lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside), max_leaves=20
)
OBJECTS = st.dictionaries(st.text(), VALUES)
INDENTS = st.sampled_from([None, 0, 1, 2, "\t"])


@settings(max_examples=examples(100))
@given(
    first=st.none() | OBJECTS,
    others=st.lists(st.tuples(VALUES, INDENTS, st.sampled_from(["\n", " ", "\n\n", "\r\n"]))),
    escapes=st.booleans(),
)
def test_values_one_after_another_come_back(
    *, first: Any, others: list[tuple[Any, Any, str]], escapes: bool
) -> None:
    written = [json.dumps(first, indent=2)]
    for value, indent, between in others:
        written += [between, json.dumps(value, indent=indent, ensure_ascii=escapes)]
    assert values_of("".join(written)) == [first, *(value for value, _, _ in others)]


@settings(max_examples=examples(50))
@given(values=st.lists(OBJECTS, min_size=1), indent=INDENTS, separators=st.booleans())
def test_objects_need_nothing_between_them(*, values: Any, indent: Any, separators: bool) -> None:
    separator = (",", ":") if separators else None
    written = "".join(json.dumps(value, indent=indent, separators=separator) for value in values)
    assert values_of(written) == values


@settings(max_examples=examples(50))
@given(values=st.lists(OBJECTS, min_size=1), indent=INDENTS, by_line=st.booleans())
def test_an_array_at_the_top_is_its_elements(*, values: Any, indent: Any, by_line: bool) -> None:
    written = json.dumps(values, indent=indent)
    if by_line:
        written = "[" + ",\n".join(json.dumps(value) for value in values) + "]\n"
    assert values_of(written) == values


@settings(max_examples=examples(50))
@given(values=st.lists(OBJECTS | SCALARS | st.just([1])))
def test_json_lines_come_as_they_are_with_their_numbers(values: list[Any]) -> None:
    lines = [json.dumps(value).encode() + b"\n" for value in values]
    assert join(b"".join(lines)) == list(enumerate(lines, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b'\n{\n "a": 1\n}\n\n{"b": 2}', [(2, b'{\n "a": 1\n}'), (6, b'{"b": 2}')]),
        (b'{"a":1}{"b":2} 3', [(1, b'{"a":1}'), (1, b'{"b":2}'), (1, b"3")]),
        (b'{\n} {"a":\n1}{"b":2}\n', [(1, b"{\n}"), (2, b'{"a":\n1}'), (3, b'{"b":2}')]),
        (b'{"a":\n[]}\n[\n1]', [(1, b'{"a":\n[]}'), (3, b"[\n1]")]),
        (b'[\n{"a":1},\n{"b":\n2}]\n[1]', [(2, b'{"a":1}'), (3, b'{"b":\n2}'), (5, b"[1]")]),
        (b'[{"a":1}] {"b":2}', [(1, b'{"a":1}'), (1, b'{"b":2}')]),
        (b"[\n1,\n2\n]", [(2, b"1"), (3, b"2\n")]),
        (b"[\n]", []),
        (b"[]\n{}", [(1, b"[]\n"), (2, b"{}")]),
        (b"[1, 2]", [(1, b"[1, 2]")]),
    ],
)
def test_a_value_has_the_number_of_its_first_line(
    text: bytes, expected: list[tuple[int, bytes]]
) -> None:
    assert join(text) == expected


GOOD = b'{"a":1}\n'


@pytest.mark.parametrize(
    "broken",
    [
        *(b"no JSON", b"oops", b"{", b"}", b'{"a"', b'{"a":', b'{"a":1,', b'{"a":[1', b'{"a":tru'),
        *(b'"no end', b'{"a', b'{"a":"\\', b"[not", b'[{"a":1', b"{1:2}", b'{"a" 1}', b"[1}"),
        *(
            b'{"a":1} more',
            b'{"a":1},',
            b'{"a":1,}',
            b'{"a":1]',
            b"{,",
            b"[,",
            b":",
            b"\xff",
            b"01",
        ),
        *(b'{"a":\xff}', b"[" * 300, b'{"a":' * 2_000, b'{"a":1} {"b":oops}', b"01"),
    ],
)
@pytest.mark.parametrize("before", [b"", GOOD])
def test_a_broken_line_comes_as_it_is_and_the_rest_is_read(broken: bytes, before: bytes) -> None:
    lines = [before, broken + b"\n", GOOD, GOOD, GOOD]
    expected = [(number, line) for number, line in enumerate(filter(None, lines), 1)]
    assert join(b"".join(lines)) == expected


def test_a_value_that_breaks_off_costs_no_other() -> None:
    text = b'{"a": {\n"b": 1\n' + GOOD + b'{"c":\n2}\n'
    assert join(text) == [
        (1, b'{"a": {\n"b": 1'),
        (3, GOOD),
        (4, b'{"c":\n2}'),
    ]
    assert join(b'{\n} {"a": oops\n' + GOOD) == [
        (1, b"{\n}"),
        (2, b'} {"a": oops\n'),
        (3, GOOD),
    ]


EVENT = {"a": 1, "b": {"c": [{"d": 1}, {"d": 2}], "e": []}, "f": ["x", "y"], "g": '{[ " ]}'}


#: The slip that lets a list have no end.
NO_END = 7


def spoil(text: str) -> list[str]:
    """Return a text with each kind of slip that people make."""
    return [
        text.replace("1,\n", "1\n", 1),  # no comma
        text.replace('"a":', '"a"', 1),  # no colon
        text.replace('"a":', "a:", 1),
        text.replace('"y"', '"y",', 1),  # a comma too many
        text.replace('"y"', '"y', 1),  # no quote
        text.replace('"x"', "'x'", 1),
        text.replace('"y"\n', '"y" // no comment\n', 1),
        text.replace('"e": []', '"e": [', 1),  # no end
        text.replace("[", "[,", 1),
        text[: text.rindex("}")].rstrip(),
    ]


@pytest.mark.parametrize("slip", range(10))
@pytest.mark.parametrize("indent", [1, 2, "\t"])
def test_a_value_of_several_lines_that_has_a_slip_comes_once(slip: int, indent: int | str) -> None:
    good = json.dumps(EVENT, indent=indent)
    broken = spoil(good)[slip]
    assert broken != good
    lines = broken.count("\n") + 1
    text = f"{broken}\n{good}\n{broken}\n{broken}\n"
    assert join(text.encode() + GOOD) == [
        (1, broken.encode()),
        (1 + lines, good.encode()),
        (1 + lines + good.count("\n") + 1, broken.encode()),
        (1 + 2 * lines + good.count("\n") + 1, broken.encode()),
        (1 + 3 * lines + good.count("\n") + 1, GOOD),
    ]


@pytest.mark.parametrize("slip", range(9))
@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("between", ["},\n  {", "}, {", "}\n  {"])
def test_a_broken_element_of_several_lines_comes_once(slip: int, place: int, between: str) -> None:
    good = json.dumps(EVENT, indent=2)
    if slip == NO_END and between == "}, {":
        pytest.skip("where it ends cannot be known")
    elements = [good] * 3
    elements[place] = spoil(good)[slip]
    text = json.dumps([0, 0, 0], indent=2)
    for element in elements:
        text = text.replace(" 0", f" {element}".replace("\n", "\n  "), 1)
    found = join(text.replace("},\n  {", between).encode() + b"\n" + GOOD)
    assert len(found) == 4
    del found[place]
    assert [json.loads(value) for _, value in found] == [EVENT, EVENT, {"a": 1}]


def test_blank_lines_in_a_broken_value_count() -> None:
    assert join(b'\n{\n\n "a" 1,\n\n\n "b": 2\n}\n') == [(2, b'{\n\n "a" 1,\n\n\n "b": 2\n}')]


def test_what_stands_after_a_broken_value_is_read() -> None:
    assert join(b'{\n "a" 1\n}; {"b":\n2} [\n1]') == [
        (1, b'{\n "a" 1\n}'),
        (3, b'{"b":\n2}'),
        (4, b"[\n1]"),
    ]


def test_what_stands_before_a_broken_value_on_its_first_line_is_read() -> None:
    assert join(b'{"a": 1} {"b" oops,\n "c": 2\n}\n' + GOOD) == [
        (1, b'{"a": 1}'),
        (1, b'{"b" oops,\n "c": 2\n}'),
        (4, GOOD),
    ]
    assert join(b'{"a": 1} {"b" oops,\n' + GOOD) == [(1, b'{"a": 1} {"b" oops,\n'), (2, GOOD)]


def test_a_broken_value_that_ends_waits_for_no_line() -> None:
    lines = iter([(1, b"{\n"), (2, b' "a" 1\n'), (3, b"}\n"), (4, GOOD)])
    assert next(join_lines(lines)) == (1, b'{\n "a" 1\n}')
    assert next(lines) == (4, GOOD)


#: What a line is left with that was cut, or was none.
CUT = st.tuples(OBJECTS.filter(bool), st.integers(1, 30)).map(
    lambda drawn: json.dumps(drawn[0])[: drawn[1]].rstrip()
)
NO_JSON = CUT | st.sampled_from(["oops", "}", "]", "[", '{"a":{', '"b": 2}', "{1", ",", ":"])
INDENT = st.sampled_from(["", "", " ", "\t"])


@settings(max_examples=examples(200))
@given(lines=st.lists(st.tuples(INDENT, st.tuples(OBJECTS, NO_JSON | st.none()))))
def test_no_complete_object_on_a_line_is_lost_to_a_broken_one_before_it(lines: Any) -> None:
    """Each object stands on a line of its own, perhaps after one broken line."""
    text, expected = [], []
    for indent, (value, before) in lines:
        if before is not None and not is_json(before):
            text.append(before)
            expected.append((len(text), before.encode() + b"\n"))
        text.append(indent + json.dumps(value))
        expected.append((len(text), text[-1].encode() + b"\n"))
    # An array at the top of the file is another form; a first broken line may look like one.
    assume(not (text and text[0].startswith("[")))
    # Two broken lines may be the ends of one value, with whole ones in it.
    assume(
        not any(is_json("\n".join(text[a:b])) for b in range(len(text) + 1) for a in range(b - 1))
    )
    assert join("".join(f"{line}\n" for line in text).encode()) == expected


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_value_in_which_the_file_ends_costs_its_first_line() -> None:
    assert join(b'{"a":\n' + GOOD) == [(1, b'{"a":\n'), (2, GOOD)]
    assert join(b'{"a":\n{"b":\n1}\n') == [(1, b'{"a":\n'), (2, b'{"b":\n1}')]
    assert join(GOOD + b"{") == [(1, GOOD), (2, b"{")]
    assert join(b"[\n{\n") == [(2, b"{\n"), (1, b"[\n")]


def test_a_broken_element_does_not_cost_the_others() -> None:
    text = b'[\n{"a":1},\n{"b": oops},\n{"c":3}\n{"d":4},\n{"e":\n5},\n{"f":6}\n]\n{"g":7}\n'
    assert join(text) == [
        (2, b'{"a":1}'),
        (3, b'{"b": oops},\n'),
        (4, b'{"c":3}\n'),
        (5, b'{"d":4}'),
        (6, b'{"e":\n5}'),
        (8, b'{"f":6}\n'),
        (10, b'{"g":7}\n'),
    ]


def test_an_array_without_an_end_is_told_of() -> None:
    assert join(b'[\n{"a":1},\n') == [(2, b'{"a":1}'), (1, b"[\n")]
    assert join(b"[\n" + GOOD + GOOD) == [(2, GOOD), (3, GOOD), (1, b"[\n")]


def test_a_value_may_not_be_longer_than_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    value = b'{"a":\n"%s",\n"b":\n1}\n' % (b"x" * 100)
    assert join(value) == [(1, value.rstrip())]
    monkeypatch.setattr(joined_lines, "MAX_LINES", 4)
    monkeypatch.setattr(joined_lines, "MAX_BYTES", len(value))
    assert join(value) == [(1, value.rstrip())]
    monkeypatch.setattr(joined_lines, "MAX_LINES", 3)
    assert join(value) == [(1, value[:-3].rstrip()), (4, b"1}\n")]
    monkeypatch.setattr(joined_lines, "MAX_LINES", 4)
    monkeypatch.setattr(joined_lines, "MAX_BYTES", len(value) - 1)
    assert [number for number, _ in join(value + GOOD)] == [1, 4, 5]


def test_no_line_waits_for_the_one_after_it() -> None:
    lines = iter([(1, b"{\n"), (2, b"}\n"), (3, GOOD)])
    joined = join_lines(lines)
    assert next(joined) == (1, b"{\n}")
    assert next(lines) == (3, GOOD)
