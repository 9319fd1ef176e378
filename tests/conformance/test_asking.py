"""A command is asked by the line, and whatever it does ends with an answer for each request."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from iterable_destination.conformance.asking import Conversation, ask

REQUESTS = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
#: Reads the requests, for a program that follows.
READ = "import json, sys, time; asked = [json.loads(line) for line in sys.stdin]\n"
ANSWER = 'def answer(id): print(json.dumps({"id": id, "output": {}}), flush=True)\n'


def converse(program: str, timeout: float = 20) -> tuple[Conversation, list[str]]:
    said: list[str] = []
    command = [sys.executable, "-c", program]
    return ask(command, REQUESTS, timeout=timeout, on_stderr=said.append), said


def failures(conversation: Conversation) -> dict[str, Any]:
    return {name: found.get("failure") for name, found in conversation.answers.items()}


def test_answers_are_found_by_their_ids_in_any_order() -> None:
    program = READ + 'for each in reversed(asked): print(json.dumps(each | {"output": each["n"]}))'
    conversation, said = converse(program)
    assert {name: each["output"] for name, each in conversation.answers.items()} == {"a": 1, "b": 2}
    assert (conversation.faults, said) == ([], [])


def test_an_answer_may_come_before_the_next_request_is_read() -> None:
    program = "import json, sys\n" + ANSWER
    program += 'for line in sys.stdin: answer(json.loads(line)["id"])'
    conversation, _ = converse(program)
    assert (set(conversation.answers), conversation.faults) == ({"a", "b"}, [])


def test_many_large_requests_and_answers_do_not_wait_for_each_other() -> None:
    requests = [{"id": str(n), "text": "x" * 10_000} for n in range(500)]
    program = "import sys\nfor line in sys.stdin: print(line[:-2] + ', \"output\": 1}', flush=True)"
    conversation = ask([sys.executable, "-c", program], requests, timeout=20, on_stderr=print)
    assert (len(conversation.answers), conversation.faults) == (500, [])


def test_a_crash_leaves_the_answers_before_it() -> None:
    program = READ + ANSWER + 'answer("a"); print("why it is", file=sys.stderr); sys.exit(3)'
    conversation, said = converse(program)
    ended = "the command ended with status 3"
    assert failures(conversation) == {"a": None, "b": f"no answer: {ended}"}
    assert conversation.faults == [ended]
    assert said == ["why it is"]


def test_a_command_that_reads_nothing_and_ends_has_no_answers() -> None:
    conversation, _ = converse("")
    ended = "the command ended with status 0"
    assert failures(conversation) == dict.fromkeys("ab", f"no answer: {ended}")
    assert conversation.faults == [ended]


@pytest.mark.parametrize("before", ["", 'answer("a"); answer("b")\n'])
def test_a_command_that_hangs_is_stopped(before: str) -> None:
    began = time.monotonic()
    conversation, _ = converse(READ + ANSWER + before + "time.sleep(60)", timeout=1)
    assert time.monotonic() - began < 30
    assert conversation.faults == ["the command was silent for 1 s, and was stopped"]
    assert set(conversation.answers) == {"a", "b"}


def test_what_a_command_started_is_stopped_with_it() -> None:
    program = f"import subprocess, sys; subprocess.run([{sys.executable!r}, '-c', "
    program += "'import time; time.sleep(60)'])"
    began = time.monotonic()
    conversation, _ = converse(program, timeout=1)
    assert time.monotonic() - began < 30
    assert len(conversation.faults) == 1


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("hello", "line 1: no JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "line 1: no answer, an object with id and output"),
        ('{"id": "a"}', "line 1: no answer, an object with id and output"),
        ('{"id": "c", "output": 1}', "line 1: no request that waits has this id"),
        ('{"id": ["a"], "output": 1}', "line 1: no request that waits has this id"),
    ],
)
def test_a_line_that_is_no_answer_is_named(line: str, fault: str) -> None:
    conversation, _ = converse(READ + ANSWER + f'print({line!r})\nanswer("a"); answer("b")')
    assert conversation.faults == [fault]
    assert failures(conversation) == {"a": None, "b": None}


def test_a_second_answer_is_named_and_blank_lines_are_passed_over() -> None:
    conversation, _ = converse(READ + ANSWER + 'answer("a"); print(); answer("b"); answer("a")')
    assert conversation.faults == ["line 3: no request that waits has this id"]


def test_a_command_that_writes_on_and_on_is_stopped() -> None:
    conversation, _ = converse("while True: print('x')")
    assert conversation.faults[-1] == (
        "the command was stopped after 100 lines that are no answers"
    )


def test_a_failure_is_an_answer() -> None:
    program = READ + 'for each in asked: print(json.dumps({"id": each["id"], "failure": "why"}))'
    conversation, _ = converse(program)
    assert (failures(conversation), conversation.faults) == ({"a": "why", "b": "why"}, [])


def test_a_command_that_cannot_be_started_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        ask(["/no/such/command"], REQUESTS, timeout=1, on_stderr=print)
