"""JSON lines come as they are in the input, and errors of the input name it."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from errno import EISDIR, ENOENT
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import IterableDestinationError, UnreadableInput
from iterable_destination.io.json_lines import Lines, open_lines

BOM = b"\xef\xbb\xbf"


def lines_of(path: Path | str) -> list[tuple[int, bytes]]:
    with open_lines(str(path)) as lines:
        return [(line.number, line.text) for line in lines]


@pytest.fixture(params=["plain", "gzip", "standard input"])
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that lays some bytes down as an input and returns its path."""

    def plain(content: bytes) -> str:
        path = tmp_path / "events.jsonl"
        path.write_bytes(content)
        return str(path)

    def compressed(content: bytes) -> str:
        path = tmp_path / "events.jsonl.gz"
        path.write_bytes(gzip.compress(content))
        return str(path)

    def standard_input(content: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return "-"

    return {"plain": plain, "gzip": compressed, "standard input": standard_input}[request.param]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b"\r\n \t\n\n\x0c\n", []),
        (b"{}", [(1, b"{}")]),
        (b"{}\n", [(1, b"{}\n")]),
        (b'{}\n{"a":1}', [(1, b"{}\n"), (2, b'{"a":1}')]),
        (b'{}\r\n{"a":1}\r\n', [(1, b"{}\r\n"), (2, b'{"a":1}\r\n')]),
        (b'\n{}\n\n \n{"a":1}\n\n', [(2, b"{}\n"), (5, b'{"a":1}\n')]),
        (b'{}\r{"a":1}\r', [(1, b'{}\r{"a":1}\r')]),
        (BOM + b"{}\n", [(1, b"{}\n")]),
        (BOM, []),
        (BOM + b"\n{}", [(2, b"{}")]),
        (b"\n" + BOM + b"{}", [(2, BOM + b"{}")]),
        (b"\xff\xfe\n{}", [(1, b"\xff\xfe\n"), (2, b"{}")]),
        (b"\x00\n{}", [(1, b"\x00\n"), (2, b"{}")]),
        ('{"a":"\u2028\x85"}\n{}'.encode(), [(1, '{"a":"\u2028\x85"}\n'.encode()), (2, b"{}")]),
    ],
)
def test_lines_end_with_a_line_feed_and_blank_ones_count_but_do_not_come(
    written: Any, content: bytes, expected: list[tuple[int, bytes]]
) -> None:
    assert lines_of(written(content)) == expected


def test_a_line_may_be_very_long(written: Any) -> None:
    text = b'{"a":"' + b"x" * 5_000_000 + b'"}'
    assert lines_of(written(text + b"\n" + text)) == [(1, text + b"\n"), (2, text)]


@given(
    texts=st.lists(
        st.binary(min_size=1).filter(lambda t: b"\n" not in t and t.strip() and t[:3] != BOM)
    )
)
def test_every_line_comes_once_and_in_order(texts: list[bytes]) -> None:
    stream = io.BytesIO(b"\n".join(texts))
    lines = list(Lines("memory", stream, stream, None))
    assert [line.text.removesuffix(b"\n") for line in lines] == texts
    assert [line.number for line in lines] == list(range(1, len(texts) + 1))


# Inputs ------------------------------------------------------------------------------------------


def unreadable(path: Path | str) -> UnreadableInput:
    with pytest.raises(UnreadableInput) as caught:
        lines_of(path)
    assert isinstance(caught.value, IterableDestinationError)
    return caught.value


@pytest.mark.parametrize("name", ["nothing.jsonl", "nothing.jsonl.gz", "no/where.jsonl"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert str(unreadable(path)) == f"{path}: {os.strerror(ENOENT)}"


@pytest.mark.parametrize("name", ["folder", "folder.gz"])
def test_a_directory_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir()
    assert str(unreadable(path)) == f"{path}: {os.strerror(EISDIR)}"


CONTENT = b"".join(b'{"n":%d}\n' % number for number in range(20_000))
ENDED = "Compressed file ended before the end-of-stream marker was reached"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{}\n{}\n", "Not a gzipped file (b'{}')"),
        (gzip.compress(CONTENT)[:5], ENDED),
        (gzip.compress(CONTENT)[:-9], ENDED),
        (gzip.compress(CONTENT)[:-4] + b"\0\0\0\0", "Incorrect length of data produced"),
        (gzip.compress(CONTENT)[:10] + b"\xff" * 50, "Error -3 while decompressing data: "),
        (gzip.compress(CONTENT) + b"rest", "Not a gzipped file (b're')"),
    ],
    ids=["no gzip", "cut header", "cut", "wrong length", "broken", "something after it"],
)
def test_a_compressed_file_that_is_broken_is_told(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(content)
    error = unreadable(path)
    assert str(error).startswith(f"{path}: {words}")


def test_the_lines_before_a_break_come_first(tmp_path: Path) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(CONTENT) + b"rest")
    seen: list[bytes] = []
    with pytest.raises(UnreadableInput), open_lines(str(path)) as lines:
        seen.extend(line.text for line in lines)
    assert b"".join(seen) == CONTENT


def test_compressed_parts_after_each_other_are_one_input(tmp_path: Path) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n{"a"') + gzip.compress(b":2}\n"))
    assert lines_of(path) == [(1, b'{"a":1}\n'), (2, b'{"a":2}\n')]


def test_an_empty_file_has_no_lines_even_if_it_should_be_compressed(tmp_path: Path) -> None:
    for name in ("events.jsonl", "events.gz"):
        (tmp_path / name).write_bytes(b"")
        assert lines_of(tmp_path / name) == []


def test_a_file_knows_how_much_of_it_was_read(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", CONTENT), ("a.gz", gzip.compress(CONTENT))):
        path = tmp_path / name
        path.write_bytes(content)
        with open_lines(str(path)) as lines:
            assert (lines.name, lines.size, lines.position) == (str(path), len(content), 0)
            each = iter(lines)
            next(each)
            assert 0 < lines.position <= len(content)
            assert sum(1 for _ in each) == 19_999
            assert lines.position == len(content)


def test_standard_input_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    with open_lines("-") as lines:
        assert (lines.name, lines.size) == ("standard input", None)
    assert not sys.stdin.closed


def test_standard_input_stays_open_when_it_is_left_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}\n{}\n")))
    with open_lines("-") as lines:
        for _ in lines:
            break
    assert not sys.stdin.buffer.closed


def test_a_file_is_closed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n")
    with open_lines(str(path)) as lines:
        raw = lines._raw
    assert raw.closed


@pytest.fixture
def pipe(tmp_path: Path) -> Any:
    """Give the path of a named pipe that CONTENT is written to, as a shell's ``<(…)`` is one."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CONTENT,), daemon=True)
    writer.start()
    yield path
    writer.join(5)


def test_a_pipe_is_read_like_a_file(pipe: Path) -> None:
    assert b"".join(text for _, text in lines_of(pipe)) == CONTENT


def test_a_pipe_has_no_size(pipe: Path) -> None:
    with open_lines(str(pipe)) as lines:
        assert sum(1 for _ in lines) == 20_000
        assert lines.size is None
