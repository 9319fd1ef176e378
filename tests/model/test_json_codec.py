"""JSON to and from bytes, by either library."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from iterable_destination.model import json_codec
from iterable_destination.model.json_codec import (
    canonical,
    decode,
    encode,
)
from tests.support.strategies import Name, nest, scalars, sendable

pytestmark = pytest.mark.usefixtures("each_json_library")


DECODED: list[tuple[bytes, Any]] = [
    (b"null", None),
    (b" true ", True),
    (b"0", 0),
    (b"-0", 0),
    (b"-0.0", -0.0),
    (b"1.0", 1.0),
    (b"1E5", 100_000.0),
    (b"1e400", math.inf),
    (b"-1e400", -math.inf),
    (b"1e-400", 0.0),
    (b"Infinity", math.inf),
    (b"-Infinity", -math.inf),
    (b"999999999999999999", 999_999_999_999_999_999),
    (b"9223372036854775807", 2**63 - 1),
    (b"9223372036854775808", 2**63),
    (b"-9223372036854775809", -(2**63) - 1),
    (b"18446744073709551616", 2**64),
    (b"123456789012345678901234567890", 123456789012345678901234567890),
    (b"[1234567890123456789012]", [1234567890123456789012]),
    (b"0.1234567890123456789", 0.1234567890123456789),
    (b'"1234567890123456789012"', "1234567890123456789012"),
    (b'"\xc3\xab\xf0\x9f\x9b\x92"', "ë🛒"),
    (b'"\\u00eb\\ud83d\\uded2\\n\\/"', "ë🛒\n/"),
    (b'"\\ud800"', "\ud800"),
    (b'{"\\udfff": "x"}', {"\udfff": "x"}),
    (b"\xef\xbb\xbf{}", {}),
    (b'{"a": 1, "b": [], "a": 2}', {"a": 2, "b": []}),
]


@pytest.mark.parametrize(("text", "expected"), DECODED, ids=[str(text) for text, _ in DECODED])
def test_a_json_text_is_read(text: bytes, expected: Any) -> None:
    assert repr(decode(text)) == repr(expected)


@pytest.mark.parametrize(
    "before",
    [b"[", b"[1,", b"[1, ", b"[\t", b"[\n", b"[\r\n", b"[-", b'[{"a":', b'[{"a": -'],
    ids=str,
)
def test_a_whole_number_keeps_all_its_digits_wherever_it_stands(before: bytes) -> None:
    text = before + b"98765432109876543210" + (b"}]" if b"{" in before else b"]")
    assert repr(decode(text)) == repr(json.loads(text))
    assert "98765432109876543210" in repr(decode(text))


@pytest.mark.parametrize(
    "text",
    [b'{"a":"00000000000000000297"}', b'{"a":"x 98765432109876543210,98765432109876543210"}'],
)
def test_digits_in_a_string_stay_digits(text: bytes) -> None:
    assert decode(text) == json.loads(text)


def test_nan_is_read() -> None:
    assert math.isnan(decode(b"NaN"))


def test_a_deeply_nested_text_is_read() -> None:
    value, depth = decode(b"[" * 500 + b"]" * 500), 0
    while value:
        value, depth = value[0], depth + 1
    assert depth == 499


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" ", b"{", b"[1,]", b"{1:2}", b"{'a':1}", b"tru", b"1 2", b"01", b"+1", b".5"),
        *(b"1.", b'"\x1f"', b"\xff", b'"\xff"', b'"\xed\xa0\x80"', b'"\\x"', b'"', b"nan", b"-"),
        *(b"// x", b"1" * 5_000, b"3\x000\x00", b"\x00\x00\x00\x31"),
    ],
    ids=lambda text: str(text[:9]),
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each library has its own words
        decode(text)


@pytest.mark.parametrize("brackets", [b"[]", b'{"a":'], ids=["lists", "objects"])
def test_a_text_nested_too_deeply_is_a_value_error(brackets: bytes) -> None:
    with pytest.raises(ValueError, match=r"\Anested too deeply to be read\Z") as caught:
        decode(brackets[:-1] * 100_000 if brackets == b"[]" else brackets * 100_000)
    assert caught.value.__suppress_context__


ENCODED: list[tuple[Any, bytes]] = [
    (None, b"null"),
    ({"a": [1, True, None, "x"], "b": {}}, b'{"a":[1,true,null,"x"],"b":{}}'),
    (-0.0, b"-0.0"),
    (1.5, b"1.5"),
    (2**63, b"9223372036854775808"),
    (2**64, b"18446744073709551616"),
    (-(2**64), b"-18446744073709551616"),
    ('ë🛒\n\x1f"\\/', '"ë🛒\\n\\u001f\\"\\\\/"'.encode()),
    ("\ud800ë", b'"\\ud800\\u00eb"'),
    ({"\udfff": 1}, b'{"\\udfff":1}'),
]


@pytest.mark.parametrize(("value", "expected"), ENCODED, ids=[str(text) for _, text in ENCODED])
def test_a_value_is_written_compactly(value: Any, expected: bytes) -> None:
    assert encode(value) == expected


@pytest.mark.parametrize("levels", [253, 254, 255, 256, 500])
def test_a_nested_value_is_written(levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    assert encode(value) == b"[" * levels + b"1" + b"]" * levels


@pytest.mark.parametrize(
    "value",
    [{1}, object(), b"x", 1j, [{"a": {1}}], {(1,): 2}],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_an_error(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_a_moment_is_an_error() -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(datetime(2023, 2, 5, tzinfo=UTC))


def test_a_value_that_contains_itself_is_an_error() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_without_orjson_the_standard_library_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)  # an ImportError from now on
    source = Path(json_codec.__file__)
    spec = importlib.util.spec_from_file_location("codec_without_orjson", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.HAS_ORJSON, module.decode(module.encode({"a": 1}))) == (False, {"a": 1})


CANONICAL: list[tuple[Any, str]] = [
    ({"b": 1, "a": {"d": [], "c": {}}}, '{"a":{"c":{},"d":[]},"b":1}'),
    ({"é": 1, "z": 2, "Z": 3, "🛒": 4, "\ufb01": 5}, '{"Z":3,"z":2,"é":1,"\ufb01":5,"🛒":4}'),
    ([1, 1.0, -0.0, 0.0001, 1e15, True, None], "[1,1.0,-0.0,0.0001,1000000000000000.0,true,null]"),
    ('"\\/\b\f\n\r\t\x00\x1f\x7f\u2028', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028"'),
]


@pytest.mark.parametrize(("value", "expected"), CANONICAL)
def test_canonical_json_is_written_alike_by_both_libraries(value: Any, expected: str) -> None:
    assert canonical(value) == canonical(value, is_usual=True) == expected.encode()


def has_unusual_number(value: Any) -> bool:
    """Whether there is a number that the libraries may write differently."""
    if isinstance(value, dict):
        return any(map(has_unusual_number, value.values()))
    if isinstance(value, list):
        return any(map(has_unusual_number, value))
    if isinstance(value, float):
        return "e" in repr(value)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nest(scalars, sendable))
def test_usual_numbers_have_one_canonical_form(value: Any) -> None:
    assume(not has_unusual_number(value))
    assert canonical(value, is_usual=True) == canonical(value)


@pytest.mark.parametrize("is_usual", [False, True])
def test_half_of_a_surrogate_pair_has_no_canonical_form(is_usual: bool) -> None:  # noqa: FBT001
    with pytest.raises(ValueError, match="surrogates not allowed"):
        canonical({"a": "\ud800"}, is_usual=is_usual)


@pytest.mark.parametrize("is_usual", [False, True])
def test_a_key_of_a_subclass_of_str_is_written_as_its_text(is_usual: bool) -> None:  # noqa: FBT001
    assert canonical({Name("b"): 1, "a": 2}, is_usual=is_usual) == b'{"a":2,"b":1}'
