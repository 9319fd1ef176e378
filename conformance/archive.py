"""Write the suite as a zip file: ``python conformance/archive.py FOLDER``.

The same files give the same bytes, whenever and wherever it is written: names are sorted, and
times and permissions fixed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

SUITE = Path(__file__).parent
#: The earliest time that a zip file can have.
TIME = (1980, 1, 1, 0, 0, 0)


def write_archive(folder: Path) -> Path:
    """Write the archive into a folder, which is made if need be, and return its path."""
    version = (SUITE / "VERSION").read_text("ascii").strip()
    name = f"iterable-destination-conformance-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.zip"
    with ZipFile(path, "w") as archive:
        for file in list_files():
            info = ZipInfo(f"{name}/{file.relative_to(SUITE).as_posix()}", TIME)
            info.compress_type = ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.read_bytes(), compresslevel=9)
    return path


def list_files() -> Iterator[Path]:
    """Yield the files of the suite, sorted by their paths, without this one."""
    files = {file.relative_to(SUITE).as_posix(): file for file in SUITE.rglob("*")}
    for name in sorted(files):
        if files[name].is_file() and not name.endswith((".py", ".pyc")):
            yield files[name]


if __name__ == "__main__":
    sys.stdout.write(f"{write_archive(Path(sys.argv[1]))}\n")
