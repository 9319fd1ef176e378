"""``iterable-destination`` and ``python -m iterable_destination``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what it needs that is not installed."""
    try:
        from iterable_destination.cli.run import run  # noqa: PLC0415 - may be missing
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        needed = "The command line needs two more packages: pip install 'click>=8.1' 'rich>=13.7'"
        sys.stderr.write(f"{needed}\n")
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
