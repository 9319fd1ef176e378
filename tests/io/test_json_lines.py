"""JSON lines come as they are in the input, and errors of the input name it."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import sys
import threading
import time
import zlib
from errno import EACCES, ENOENT
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
    texts=st.lists(st.binary().filter(lambda text: b"\n" not in text).map(lambda text: b'"' + text))
)
def test_every_line_comes_once_and_in_order(texts: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(texts))))
        lines = list(Lines(["-"]))
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


@pytest.mark.parametrize("hidden", [None, ".DS_Store", ".git/config"])
def test_a_folder_without_files_is_told(tmp_path: Path, hidden: str | None) -> None:
    path = tmp_path / "folder.gz"
    path.mkdir()
    if hidden:
        (path / hidden).parent.mkdir(exist_ok=True)
        (path / hidden).write_bytes(b"{}")
    assert str(unreadable(path)) == f"{path}: is a folder without files"


CONTENT = b"".join(b'{"n":%d}\n' % number for number in range(20_000))
ENDED = "Compressed file ended before the end-of-stream marker was reached"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(CONTENT)[:5], ENDED),
        (gzip.compress(CONTENT)[:-9], ENDED),
        (
            gzip.compress(CONTENT)[:-4] + b"\0\0\0\0",
            "Error -3 while decompressing data: incorrect length check",
        ),
        (gzip.compress(CONTENT)[:10] + b"\xff" * 50, "Error -3 while decompressing data: "),
        (gzip.compress(CONTENT) + b"rest", "Not a gzipped file (b're')"),
    ],
    ids=["cut header", "cut", "wrong length", "broken", "something after it"],
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


@pytest.mark.parametrize("cut", [1, 9, 500, 20_000])
def test_of_a_file_that_is_cut_all_whole_lines_come_first(tmp_path: Path, cut: int) -> None:
    text = b"".join(b'{"n":"%b"}\n' % os.urandom(20).hex().encode() for _ in range(2_000))
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(text)[:-cut])
    seen: list[bytes] = []
    with pytest.raises(UnreadableInput) as caught, open_lines(str(path)) as lines:
        seen.extend(line.text for line in lines)
    assert str(caught.value) == f"{path}: {ENDED}"
    assert text.startswith(b"".join(seen))
    assert all(line.endswith(b"\n") for line in seen)
    assert len(b"".join(seen)) > len(text) - 3 * cut - 100


def test_of_a_file_that_is_broken_all_lines_before_that_come_first(tmp_path: Path) -> None:
    text = b"".join(b'{"n":"%b"}\n' % os.urandom(20).hex().encode() for _ in range(2_000))
    content = bytearray(gzip.compress(text))
    middle = len(content) // 2
    content[middle : middle + 100] = b"\xff" * 100
    path = tmp_path / "events.gz"
    path.write_bytes(content)
    seen: list[bytes] = []
    with pytest.raises(UnreadableInput, match="Error -3"), open_lines(str(path)) as lines:
        seen.extend(line.text for line in lines)
    third = len(text) // 3
    assert b"".join(seen)[:third] == text[:third]


def test_zeros_after_the_end_are_padding(tmp_path: Path) -> None:
    path = tmp_path / "events.gz"
    path.write_bytes(gzip.compress(b"{}\n") + b"\0" * 100 + gzip.compress(b"{}\n") + b"\0")
    assert [text for _, text in lines_of(path)] == [b"{}\n", b"{}\n"]


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
        for _ in lines:
            raw = lines._open
            break
    assert raw is not None
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


# Which files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.GZ", "a.jsonl", "a", "a.gz"])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_gzip_is_known_by_its_first_bytes_and_not_by_its_name(
    tmp_path: Path, name: str, *, is_compressed: bool
) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT) if is_compressed else CONTENT)
    assert b"".join(text for _, text in lines_of(path)) == CONTENT


@pytest.mark.parametrize("first", [1, 2, 5, 9])
def test_gzip_that_comes_slowly_from_a_pipe_is_known(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    content = gzip.compress(CONTENT)

    def feed() -> None:
        with os.fdopen(write, "wb", buffering=0) as sink:
            sink.write(content[:first])
            time.sleep(0.05)
            sink.write(content[first:])

    writer = threading.Thread(target=feed, daemon=True)
    with os.fdopen(read, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        writer.start()
        assert b"".join(text for _, text in lines_of("-")) == CONTENT
    writer.join(5)


def test_several_files_are_one_input_and_each_ends_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"n":1}\n\n{"n":2}')
    (tmp_path / "b").write_bytes(gzip.compress(BOM + b'{"n":3}\n'))
    (tmp_path / "c").write_bytes(b"")
    names = [str(tmp_path / name) for name in "abca"]
    with open_lines(*names) as lines:
        sizes = [os.path.getsize(name) for name in names]  # noqa: PTH202
        assert lines.size == sum(sizes)
        found = [(line.number, line.text) for line in lines]
        assert lines.position == lines.size
    assert found == [
        (1, b'{"n":1}\n'),
        (3, b'{"n":2}'),
        (4, b'{"n":3}\n'),
        (5, b'{"n":1}\n'),
        (7, b'{"n":2}'),
    ]


def test_a_folder_and_a_pattern_stand_for_files_in_the_order_of_their_names(
    tmp_path: Path,
) -> None:
    for name in ("02/b", "01/b", "01/a", ".hidden/a", "01/.hidden", "x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    whole = [b"01/a\n", b"01/b\n", b"02/b\n", b"x\n"]
    assert [text for _, text in lines_of(tmp_path)] == whole
    assert [text for _, text in lines_of(tmp_path / "0?")] == whole[:3]
    assert [text for _, text in lines_of(tmp_path / "**" / "b")] == [b"01/b\n", b"02/b\n"]
    nothing = tmp_path / "*.jsonl"
    assert str(unreadable(nothing)) == f"{nothing}: no file matches"
    (tmp_path / "[1]").write_bytes(b"{}\n")
    assert lines_of(tmp_path / "[1]") == [(1, b"{}\n")]


def test_a_file_that_is_missing_is_told_before_another_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"{}\n")
    with (
        pytest.raises(UnreadableInput, match=os.strerror(ENOENT)),
        open_lines(str(tmp_path / "a"), str(tmp_path / "b")),
    ):
        pytest.fail("it was opened")


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"{}\n")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert str(unreadable(path)) == f"{path}: {os.strerror(EACCES)}"


def test_a_single_file_may_grow_and_several_are_known_by_their_names_and_sizes(
    tmp_path: Path,
) -> None:
    a, b = (tmp_path / name for name in "ab")

    def identity(*paths: Path) -> bytes:
        with open_lines(*map(str, paths)) as lines:
            return lines.identity

    a.write_bytes(b"{}\n")
    b.write_bytes(b"{}\n")
    assert identity(a) == b""
    both = identity(a, b)
    assert both != identity(b, a)
    assert both != identity(a, b, b)
    b.write_bytes(b"{}\n{}\n")
    assert both == identity(a, b)
    a.write_bytes(b"{}\n{}\n")
    assert both != identity(a, b)


# What is no JSON lines ---------------------------------------------------------------------------

TAR = b"a.jsonl".ljust(257, b"\0") + b"ustar\0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "is a zip file: unpack it first"),
        (b"PK\x05\x06" + b"\0" * 18, "is a zip file: unpack it first"),
        (bz2.compress(b"{}"), "is a bzip2 file: unpack it first"),
        (lzma.compress(b"{}"), "is an xz file: unpack it first"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "is a 7z file: unpack it first"),
        (b"PAR1....", "is a Parquet file: convert it to JSON lines first"),
        (b"Obj\x01....", "is an Avro file: convert it to JSON lines first"),
        (b"SQLite format 3\0..", "is an SQLite file: if it is an outbox, drain delivers it"),
        (TAR, "is a tar archive: unpack it first"),
        (gzip.compress(TAR, mtime=0), "is a tar archive: unpack it first"),
        (
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            "is compressed twice: unpack it once first",
        ),
        *(
            (
                text.encode(encoding),
                "is UTF-16: convert it to UTF-8 first, as iconv -f UTF-16 -t UTF-8 does",
            )
            for text in ("{}\n", "[1]\n")
            for encoding in ("utf-16", "utf-16-le", "utf-16-be")
        ),
        (b"\xfe\xff" + "{}".encode("utf-16-be"), "is UTF-16: convert it to UTF-8 first"),
    ],
)
def test_another_form_is_named(written: Any, content: bytes, words: str) -> None:
    name = written(content)
    text = str(unreadable(name))
    assert text.startswith(f"{'standard input' if name == '-' else name}: {words}") or (
        text.endswith("is compressed twice: unpack it once first") and name.endswith(".gz")
    )


ODD = (
    "this looks like JSON over several lines, or one JSON array; put each event on a line of its"
    " own, as jq -c '.[]' does with an array"
)


@pytest.mark.parametrize(
    ("content", "is_odd"),
    [
        (b"{}\n", False),
        (b'{"a":[\n', False),
        (b'{\n  "a": 1\n}\n', True),
        (b"\n[\n{}\n]\n", True),
        (BOM + b"[{},{}]", True),
        (b"{}\n[\n", False),
    ],
)
def test_json_that_is_no_lines_is_warned_of_and_still_read(
    written: Any, content: bytes, *, is_odd: bool
) -> None:
    name = written(content)
    warnings: list[str] = []
    with open_lines(name, warn=warnings.append) as lines:
        assert b"".join(line.text for line in lines).strip() == content.removeprefix(BOM).strip()
    where = "standard input" if name == "-" else name
    assert warnings == [f"{where}: {ODD}"] * is_odd


class Zstd:
    """A library for Zstandard, whose frames are of gzip here."""

    class ZstdError(Exception):
        """Its error."""

    class ZstdDecompressor:
        """Decompresses a frame, which begins as Zstandard does."""

        def __init__(self) -> None:
            self._inner: Any = None
            self.eof = False
            self.unused_data = b""

        def decompressobj(self) -> Zstd.ZstdDecompressor:
            return self

        def decompress(self, text: bytes) -> bytes:
            if self._inner is None:
                text = text[4:]
                self._inner = zlib.decompressobj()
            try:
                found: bytes = self._inner.decompress(text)
            except zlib.error:
                raise Zstd.ZstdError("broken") from None
            self.eof, self.unused_data = self._inner.eof, self._inner.unused_data
            return found


def to_zstd(text: bytes) -> bytes:
    return b"\x28\xb5\x2f\xfd" + zlib.compress(text)


@pytest.mark.parametrize("library", ["compression.zstd", "backports.zstd", "zstandard"])
def test_zstandard_is_taken_where_a_library_is_installed(
    tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> Any:
        if name == library:
            return Zstd
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", load)
    path = tmp_path / "events.zst"
    path.write_bytes(to_zstd(CONTENT) + to_zstd(CONTENT))
    assert b"".join(text for _, text in lines_of(path)) == CONTENT + CONTENT
    path.write_bytes(to_zstd(CONTENT)[:-3])
    assert str(unreadable(path)) == f"{path}: {ENDED}"
    path.write_bytes(to_zstd(CONTENT)[:6] + b"\xff" * 50)
    assert str(unreadable(path)) == f"{path}: Error while decompressing data: broken"


def test_zstandard_without_a_library_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", load)
    path = tmp_path / "events.zst"
    path.write_bytes(to_zstd(CONTENT))
    assert str(unreadable(path)) == (
        f"{path}: is compressed with Zstandard: unpack it first, or install backports.zstd or"
        " zstandard"
    )
