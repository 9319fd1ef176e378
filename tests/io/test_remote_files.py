"""Files under addresses are read as local ones are, and no error repeats a secret."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator
from errno import ENOENT
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from iterable_destination.errors import UnreadableInput
from iterable_destination.io.json_lines import find_files, open_lines
from iterable_destination.io.remote_files import hide_credentials, is_address

NOT_THERE = os.strerror(ENOENT)


class Fragile(MemoryFileSystem):  # type: ignore[misc] # it says no types
    """A store whose library fails as one does: with errors of its own, and at any place."""

    protocol = "fragile"
    store: dict[str, Any] = {}  # noqa: RUF012 - as its parent has it
    #: What is raised, after how many bytes of a file, or of every request for None.
    fault: tuple[Exception | None, int | None] = (None, 0)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        path = path.removeprefix("fragile://").rpartition("@")[2].partition("?")[0].rstrip("/")
        return f"/{path.lstrip('/')}"

    def info(self, path: str, **options: Any) -> Any:
        error, after = self.fault
        if error is not None and after is None:
            raise error
        return super().info(path, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            return super()._open(path, mode, **options)
        return Breaking(self.store[path].getvalue(), *self.fault)


class Breaking(io.BytesIO):
    """A file that breaks off after some bytes."""

    #: The most bytes that were asked for at once, of any file.
    largest = 0

    def __init__(self, content: bytes, error: Exception | None, after: int | None) -> None:
        super().__init__(content)
        self.size = len(content)
        self.error = error
        self.left = self.size if after is None or error is None else after

    def read(self, size: int | None = -1, /) -> bytes:
        Breaking.largest = max(Breaking.largest, self.size if size in {None, -1} else size or 0)
        text = super().read(min(self.left, self.size if size in {None, -1} else size or 0))
        self.left -= len(text)
        if not text and self.error is not None and not isinstance(self.error, EOFError):
            raise self.error
        return text


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("fragile", Fragile, clobber=True)
    for kind in (MemoryFileSystem, Fragile):
        monkeypatch.setattr(kind, "store", {})
        monkeypatch.setattr(kind, "pseudo_dirs", [""])
    yield
    Fragile.fault = (None, 0)
    Breaking.largest = 0


def put(address: str, content: bytes = b"{}") -> None:
    fsspec.filesystem(address.partition(":")[0]).pipe(address, content)


def lines_of(*addresses: str) -> list[tuple[int, bytes]]:
    with open_lines(*addresses) as lines:
        return [(line.number, line.text) for line in lines]


def why_unreadable(*addresses: str) -> str:
    with pytest.raises(UnreadableInput) as caught:
        lines_of(*addresses)
    return str(caught.value)


ARCHIVE = {
    "1675296000/b.gz": gzip.compress(b'{"n":2}\n\n{"n":3}\n'),
    "1675296000/a.gz": gzip.compress(b'{"n":1}'),
    "1675296000/.part": b"no",
    "1675296000-old/z.jsonl": b'{"n":5}',
    "1675382400/a.jsonl": b'{"n":4}\n',
    ".trash/a.jsonl": b"no",
}


def test_a_folder_is_read_as_a_local_one_is(tmp_path: Path) -> None:
    for name, content in ARCHIVE.items():
        put(f"memory://archive/{name}", content)
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    places = [f"{tmp_path}/archive", f"file://{tmp_path}/archive"]
    places += [f"local://{tmp_path}/archive", "memory://archive", "memory://archive/"]
    for place in places:
        with open_lines(place) as lines, open_lines(places[0]) as local:
            assert (lines.size, lines.identity) == (local.size, local.identity)
            assert [(line, lines.position) for line in lines] == [
                (line, local.position) for line in local
            ]
        assert [number for number, _ in lines_of(place)] == [1, 2, 4, 5, 6]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("archive/*/a.*", ["1675296000/a.gz", "1675382400/a.jsonl"]),
        ("archive/**/*.gz", ["1675296000/a.gz", "1675296000/b.gz"]),
        ("archive/16753*", ["1675382400/a.jsonl"]),
        ("archive/1675296000/b.gz", ["1675296000/b.gz"]),
        ("*/1675382400", ["1675382400/a.jsonl"]),
    ],
)
def test_a_pattern_finds_files_and_what_is_in_folders(pattern: str, found: list[str]) -> None:
    for name, content in ARCHIVE.items():
        put(f"memory://archive/{name}", content)
    assert find_files([f"memory://{pattern}"]) == [f"memory://archive/{each}" for each in found]


def test_addresses_keep_who_reads_them_but_no_message_shows_it() -> None:
    put("fragile://archive/a.jsonl", b"\x1f\x8b")
    address = "fragile://key-7:se/cret@archive"
    assert find_files([address]) == [f"{address}/a.jsonl"]
    assert find_files([f"{address}/*.jsonl"]) == [f"{address}/a.jsonl"]
    with open_lines(address) as lines:
        assert lines.name == "fragile://…@archive/a.jsonl"
    assert why_unreadable(address) == (
        "fragile://…@archive/a.jsonl: Compressed file ended before the end-of-stream marker was"
        " reached"
    )


def test_a_file_of_any_size_is_not_held_in_memory() -> None:
    put("fragile://large.gz", gzip.compress(b'{"n":1}\n' * 500_000, 0))
    with open_lines("fragile://large.gz") as lines:
        numbers = [line.number for line in lines if line.number % 100_000 == 0]
        assert lines.position == lines.size
    assert numbers == [100_000, 200_000, 300_000, 400_000, 500_000]
    assert 0 < Breaking.largest <= 2**16


# What goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("memory://nothing", NOT_THERE),
        ("memory://nothing/*", "no file matches"),
        ("unheard-of://a", "Protocol not known: unheard-of"),
    ],
)
def test_what_is_not_there_is_told(address: str, reason: str) -> None:
    assert why_unreadable(address) == f"{address}: {reason}"


@pytest.mark.parametrize("name", ["memory://empty", "memory://empty/"])
def test_an_empty_folder_is_told(name: str) -> None:
    fsspec.filesystem("memory").mkdir("/empty")
    put("memory://empty/.hidden")
    assert why_unreadable(name) == f"{name}: is a folder without files"


@pytest.mark.parametrize(
    ("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("abfs", "adlfs")]
)
def test_a_missing_package_is_named(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(fsspec.registry, scheme, raising=False)
    found = why_unreadable(f"{scheme}://bucket/folder")
    assert found.startswith(f"{scheme}://bucket/folder: ")
    assert f"nstall {package} " in found


def test_missing_fsspec_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "fsspec.core", raising=False)
    assert why_unreadable("s3://bucket/a") == (
        "s3://bucket/a: addresses need another package: pip install 'fsspec>=2024.2'"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("the store\nis away"), "the store is away"),
        (ConnectionResetError(104, "reset"), "reset"),
        (TimeoutError(), "TimeoutError"),
        (EOFError(), "ended after 20,000 of 40,000 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.gz"])
def test_what_came_before_a_read_that_broke_off_is_good(
    name: str, error: Exception, reason: str
) -> None:
    text = b"".join(
        b'{"n":%05d,"x":"%s"}\n' % (n, os.urandom(20).hex().encode()) for n in range(1_000)
    )
    content = gzip.compress(text) if name.endswith("gz") else text
    content = content[:40_000].ljust(40_000, b" ")
    put(f"fragile://{name}", content)
    Fragile.fault = (error, 20_000)
    read: list[bytes] = []
    with open_lines(f"fragile://{name}") as lines, pytest.raises(UnreadableInput) as caught:
        read.extend(line.text for line in lines)
    assert str(caught.value) == f"fragile://{name}: {reason}"
    assert len(read) > 100
    assert text.startswith(b"".join(read))


@pytest.mark.parametrize(
    "words", ["the key key-7 with s3cret is wrong", "https://key-7:s3cret@host/a?sig=s3cret"]
)
def test_an_error_of_the_store_repeats_no_secret(words: str) -> None:
    put("fragile://a.jsonl")
    Fragile.fault = (RuntimeError(words), None)
    found = why_unreadable("fragile://key-7:s3cret@a.jsonl?sig=s3cret")
    assert found.startswith("fragile://…@a.jsonl?…: ")
    assert "s3cret" not in found
    assert "key-7" not in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/a@b.gz", "s3://bucket/a@b.gz"),
        ("s3://key:s/e@c@bucket/a", "s3://…@bucket/a"),
        ("ftp://user@host/a", "ftp://…@host/a"),
        ("abfs://container@account.dfs.core.windows.net/a", None),
        ("abfs://container@account/a?sig=x", "abfs://…@account/a?…"),
        ("https://host/a?sv=1&sig=x", "https://host/a?…"),
        ("s3://bucket/2026-0?.gz", None),
    ],
)
def test_what_may_be_a_secret_is_hidden(address: str, shown: str | None) -> None:
    assert hide_credentials(address) == (shown or address)


@given(st.text("abAB:/@?=&", max_size=12), st.text("xyz", min_size=4, max_size=8))
def test_a_password_is_never_shown(path: str, password: str) -> None:
    assert password not in hide_credentials(f"s3://key:{password}@{path}")
    assert password not in hide_credentials(f"https://host/a?sig={password}{path}")


# What is no address ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["C:\\events", "C://events", "a:b", "-", "s3:/a", "://a", "events"]
)
def test_what_only_looks_like_an_address_is_local(name: str) -> None:
    assert not is_address(name)


def test_a_local_file_with_a_colon_in_its_name_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a:b").write_bytes(b"{}")
    assert lines_of("a:b") == [(1, b"{}")]


def test_a_file_address_is_a_local_path(tmp_path: Path) -> None:
    path = tmp_path / "two words.jsonl"
    path.write_bytes(b"{}")
    assert find_files([path.as_uri(), f"file://{tmp_path}/*.jsonl"]) == [str(path), str(path)]
