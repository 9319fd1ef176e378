"""Each request that is a line has an answer that is a line."""

from __future__ import annotations

import json

from iterable_destination.conformance import cases
from iterable_destination.conformance.serving import answer_lines
from iterable_destination.model.json_codec import decode, encode


def test_each_request_is_answered_in_order() -> None:
    chosen = [*cases("source"), *cases("mapped")]
    lines = [encode(case.request) for case in chosen]
    answers = [decode(line) for line in answer_lines(lines)]
    assert answers == [{"id": case.id, "output": case.output} for case in chosen]


def test_what_is_no_request_is_answered_with_a_failure() -> None:
    lines = [b"\n", b"no JSON", b"[]", b'{"id": "a"}', b'{"id": "b", "system": "hosts"}']
    answers = [json.loads(line) for line in answer_lines(lines)]
    assert [answer["id"] for answer in answers] == [None, None, "a", "b"]
    assert [answer["failure"].partition(":")[0] for answer in answers] == [
        *("JSONDecodeError", "TypeError", "KeyError", "KeyError")
    ]
