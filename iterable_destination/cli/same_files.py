"""Refuse a command that would write to a file that it also reads, or writes to for another reason.

Files are compared, not their names: two names can be of one file.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final, TextIO

from iterable_destination.io.json_lines import STANDARD_INPUT

#: Files that are written, by the option that names them, with what stands beside them.
_WRITTEN: Final[Mapping[str, tuple[str, ...]]] = {
    "--dead-letters": ("",),
    "--checkpoint": ("", ".lock", ".tmp"),
    "--outbox": ("", "-wal", "-shm", "-journal", "-deliverer"),
}
_OUTBOX: Final = _WRITTEN["--outbox"]


def find_same_files(
    files: Iterable[str] = (), /, *, drained: str | None = None, **options: str | None
) -> str | None:
    """Return what is wrong if a file that is written is named for something else too, or None.

    ``files`` are those of the input, ``drained`` is an outbox that is delivered. ``options`` are
    files by the name of the option, with ``_`` for ``-``; None is none.
    """
    found = [("FILE", name, False) for name in files]
    if drained is not None:
        found += [("FILE", drained + end, True) for end in _OUTBOX]
    for key, path in options.items():
        if path is not None:
            name = f"--{key.replace('_', '-')}"
            found += [(name, path + end, name in _WRITTEN) for end in _WRITTEN.get(name, ("",))]
    seen = {_identify_stream(sys.stdout): ("standard output", True)}
    for name, path, is_written in found:
        other, other_is_written = seen.setdefault(_identify(path), (name, is_written))
        if other != name and (is_written or other_is_written):
            return f"{path}: is the file of {name} and of {other}"
    return None


def _identify(path: str) -> object:
    """Return what is the same for all names of a file; its real path, if it is not there yet."""
    if path == STANDARD_INPUT:
        return _identify_stream(sys.stdin)
    real = os.path.realpath(path)
    with suppress(OSError, ValueError):
        status = os.stat(real)  # noqa: PTH116 - it is a string all along
        return status.st_dev, status.st_ino
    return os.path.normcase(real)


def _identify_stream(stream: TextIO | None) -> object:
    """Return the same of a standard stream, if it is a file; else what is like nothing else."""
    with suppress(OSError, ValueError, AttributeError):
        status = os.fstat(stream.fileno())  # type: ignore[union-attr] # it may be closed
        if stat.S_ISREG(status.st_mode):
            return status.st_dev, status.st_ino
    return object()
