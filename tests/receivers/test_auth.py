"""Signatures and secrets: they match only if they are the same."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.receivers import auth
from tests.support import strategies
from tests.support.receiving import SECRET, Stopwatch, sign, to_json

EVENT = '{"type":"track","event":"Größe","userId":"u-1"}'.encode()
#: As ``openssl dgst -sha1 -hmac`` writes them.
OF_EVENT = "31abd0e9abc80244008ab398f3bf4b1a64b93e24"
OF_EVENT_UNDER_UMLAUT = "3d446f041ab553a55b0d8a12c30943a5a14025b8"
OTHER = b'{"type":"page","name":"Home","userId":"u-2"}'


def test_a_signature_is_that_of_another_program() -> None:
    assert auth.is_signed(EVENT, OF_EVENT, [SECRET])
    assert auth.is_signed(EVENT, OF_EVENT_UNDER_UMLAUT, ["gehéim"])


@pytest.mark.parametrize(
    "body",
    [
        b"[%b]" % EVENT,
        b"[%b,%b]" % (EVENT, OTHER),
        b"[%b, 1, null, []]" % EVENT,
        b" \t\r\n[ \t\r\n%b \t\r\n, \t\r\n%b ]\n" % (EVENT, OTHER),
    ],
)
def test_of_an_array_the_first_element_is_signed(body: bytes) -> None:
    assert auth.is_signed(body, OF_EVENT, [SECRET])


def test_an_array_may_be_signed_as_a_whole() -> None:
    body = b"[%b,%b]" % (EVENT, OTHER)
    assert auth.is_signed(body, sign(body), [SECRET])


def test_the_first_element_is_signed_as_it_is_written() -> None:
    spaced = b'{ "type" : "track", "n": 1.0, "\\u00e9": 1e2 }'
    assert auth.is_signed(b"[%b]" % spaced, sign(spaced), [SECRET])
    assert not auth.is_signed(b"[%b]" % spaced, sign(to_json({"a": 1})), [SECRET])


def test_each_of_several_secrets_fits() -> None:
    secrets = ["old", SECRET, "new"]
    found = [auth.is_signed(EVENT, sign(EVENT, each), secrets) for each in secrets]
    assert found == [True, True, True]


def test_without_secrets_nothing_is_signed() -> None:
    assert not auth.is_signed(EVENT, sign(EVENT, ""), [])


@pytest.mark.parametrize("given", ["", " ", "\xe9", "\ud800", "0" * 40, "sha1=" + OF_EVENT])
def test_what_is_no_signature_does_not_fit(given: str) -> None:
    assert not auth.is_signed(EVENT, given, [SECRET])


def _mutate(jitter: random.Random, text: bytes) -> bytes:
    """Return a text with a random change."""
    place = jitter.randrange(len(text))
    kind = jitter.randrange(5)
    if kind == 0:  # a bit
        return text[:place] + bytes([text[place] ^ 1 << jitter.randrange(8)]) + text[place + 1 :]
    if kind == 1:  # cut
        return text[:place]
    if kind == 2:  # one more
        return text[:place] + bytes([jitter.choice((32, 10, jitter.randrange(256)))]) + text[place:]
    if kind == 3:  # one less
        return text[:place] + text[place + 1 :]
    return text + jitter.choice((b" ", b"\n", b"\0", text[:1], text))


def _make_other_signature(jitter: random.Random, body: bytes) -> str:
    kind = jitter.randrange(6)
    if kind == 0:
        return OF_EVENT.upper()
    if kind == 1:
        letter = jitter.choice([n for n, each in enumerate(OF_EVENT) if each.isalpha()])
        return OF_EVENT[:letter] + OF_EVENT[letter].upper() + OF_EVENT[letter + 1 :]
    if kind == 2:
        return sign(EVENT, jitter.choice((SECRET[:-1], SECRET + " ", SECRET.upper(), "")))
    if kind == 3:
        return sign(_mutate(jitter, body))
    if kind == 4:
        return jitter.choice((" ", "", "\t")) + OF_EVENT + jitter.choice((" ", "\n", "\0", "0"))
    return _mutate(jitter, OF_EVENT.encode()).decode("latin-1")


def _make_mutations(jitter: random.Random) -> Iterator[tuple[bytes, str]]:
    """Yield bodies with signatures that are not theirs."""
    alone, array = EVENT, b"[%b,%b]" % (EVENT, OTHER)
    while True:
        yield alone, _make_other_signature(jitter, alone)
        yield array, _make_other_signature(jitter, array)
        yield _mutate(jitter, alone), OF_EVENT
        yield b"[%b,%b]" % (_mutate(jitter, EVENT), OTHER), OF_EVENT
        yield b"[%b,%b]" % (OTHER, EVENT), OF_EVENT
        yield jitter.choice((b" ", b"\n", b"{", b'"')) + alone, OF_EVENT
        yield b"[[%b]]" % EVENT, OF_EVENT
        yield b'{"a":%b}' % EVENT, OF_EVENT


def _is_untouched(body: bytes) -> bool:
    """Whether the event is unchanged, alone or first in an array: its signature is valid then."""
    array = body.lstrip()
    return body == EVENT or (array[:1] == b"[" and array[1:].lstrip().startswith(EVENT))


@pytest.mark.slow
def test_of_a_hundred_thousand_mutations_none_is_accepted() -> None:
    jitter = random.Random(7)  # noqa: S311 - chance, not secrecy
    tried = 0
    accepted = []
    for body, given_one in islice(_make_mutations(jitter), 110_000):
        if given_one == OF_EVENT and _is_untouched(body):
            continue  # what was added stands outside of what is signed
        tried += 1
        if auth.is_signed(body, given_one, [SECRET, "another"]):
            accepted.append((body, given_one))
    assert accepted == []
    assert tried > 100_000


def test_every_secret_is_compared_whatever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a comparison does not depend on which secret matches, or how much of it."""
    compared = []
    compare = hmac.compare_digest

    def watch(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    body, secrets = b"[%b]" % EVENT, [SECRET, "two", "three"]
    assert auth.is_signed(body, OF_EVENT, secrets)
    assert len(compared) == 6
    assert not auth.is_signed(body, "no", secrets)
    assert len(compared) == 12
    assert auth.is_one_of("two", secrets)
    assert not auth.is_one_of("four", secrets)
    assert len(compared) == 18


# The first element -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "first"),
    [
        (b"[1]", b"1"),
        (b"[1.50e3,2]", b"1.50e3"),
        (b'["]",2]', b'"]"'),
        (b'["\\"]",2]', b'"\\"]"'),
        (b"[[],2]", b"[]"),
        (b"[null]", b"null"),
        (b'[{"a":{"b":"}"}} , 2]', b'{"a":{"b":"}"}}'),
        ('["ü"]'.encode(), '"ü"'.encode()),
        (b"", None),
        (b" ", None),
        (b"[", None),
        (b"[ ", None),
        (b"[]", None),
        (b"[,1]", None),
        (b"{}", None),
        (b'"[1]"', None),
        (b"\xef\xbb\xbf[1]", None),
        (b"\xa0[1]", None),
        (b'["\xff"]', None),
        (b"[" * 200_000, None),
        (b'[{"a":' * 200_000, None),
        (b"[" + b"1" * 5_000 + b"]", None),
    ],
)
def test_the_first_element_is_found_in_the_bytes(body: bytes, first: bytes | None) -> None:
    assert auth.find_first_element(body) == first


spaces = st.text(" \t\r\n", max_size=3)


@given(
    st.lists(strategies.plain, min_size=1, max_size=3),
    spaces,
    spaces,
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_the_first_element_is_what_was_written(
    values: list[Any], before: str, after: str, separators: tuple[str, str]
) -> None:
    texts = [json.dumps(value, separators=separators) for value in values]
    inside = f"{after},{before}".join(texts)
    body = f"{before}[{before}{inside}{after}]{after}".encode()
    assert auth.find_first_element(body) == texts[0].encode()


def test_white_space_holds_nobody_up() -> None:
    """A body is parsed before its sender is authenticated."""
    with Stopwatch() as stopwatch:
        assert auth.find_first_element(b" " * 8_000_000 + b"[" + b" " * 8_000_000) is None
    assert stopwatch.seconds < 1


@pytest.mark.parametrize("size", [3, 200_000, 249_999])
def test_the_first_element_is_looked_for_at_the_beginning_only(size: int) -> None:
    """The sender is not authenticated yet; an event of Segment's has 32,000 bytes at most."""
    element = b'"%b"' % (b"a" * (size - 3))
    for body in (b"[%b]" % element, b"[%b,%b]" % (element, b'"\xc3\xb6"' * 200_000)):
        assert auth.find_first_element(body) == element


@pytest.mark.slow
def test_a_larger_first_element_fits_no_signature_and_costs_little() -> None:
    element = b"[%b]" % b",".join([b"{}"] * 5_000_000)
    body = b"[%b]" % element
    with Stopwatch() as stopwatch:
        assert auth.find_first_element(body) is None
        assert not auth.is_signed(body, sign(element), [SECRET])
    assert auth.is_signed(body, sign(body), [SECRET])
    assert stopwatch.seconds < 1


def test_a_letter_may_end_where_the_looking_ends() -> None:
    for size in range(249_994, 250_003):
        body = b'["%b",1]' % ("ö" * (size // 2)).encode()
        first = auth.find_first_element(body)
        assert first in {None, body[1:-3]}
        assert (first is None) == (len(body) - 3 > 250_000)


# Secrets in headers ------------------------------------------------------------------------------


def test_a_text_is_one_of_the_secrets_only_if_it_is_the_same() -> None:
    given_ones = [SECRET, SECRET.upper(), SECRET[:-1], SECRET + " ", "", "\xe9", "\ud800", "two"]
    found = [auth.is_one_of(each, [SECRET, "two"]) for each in given_ones]
    assert found == [True, False, False, False, False, False, False, True]
    assert not auth.is_one_of(SECRET, [])


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Basic YWJjOg==", "abc"),
        ("basic YWJjOg==", "abc"),
        ("BASIC   YWJjOg== ", "abc"),
        ("Basic YWJj", "abc"),
        ("Basic YWJjOnBhc3M6d29yZA==", "abc"),
        ("Basic w7w6", "ü"),
        ("Basic Og==", ""),
        ("Basic", ""),
        ("", None),
        ("Bearer YWJjOg==", None),
        ("YWJjOg==", None),
        ("Basic YWJjOg=", None),
        ("Basic YWJj Og==", None),
        ("Basic \xe9", None),
        ("Basic /w==", None),
    ],
)
def test_the_user_name_is_read_from_basic_authentication(header: str, name: str | None) -> None:
    assert auth.parse_user_name(header) == name
