"""The end of each command's help: examples, and what its exit status means."""

from __future__ import annotations

from typing import Final

PROGRAM: Final = "iterable-destination"

#: Of commands that deliver.
DELIVERY_STATUS: Final = (
    "0 all delivered or skipped, 1 some not, 2 wrong usage, settings or key, 130 after Ctrl-C, 143"
    " after SIGTERM"
)
#: Of commands that only translate.
TRANSLATION_STATUS: Final = "0 all fine or skipped, 1 some refused, 2 wrong usage or settings"
#: Of servers.
SERVER_STATUS: Final = "0 stopped, 2 wrong usage, settings or key, or it cannot listen"


def make_epilog(status: str, *examples: str) -> str:
    """Return examples, each without the program's name, and the meaning of exit statuses."""
    lines = "\n".join(f"  {PROGRAM} {example}" for example in examples)
    return f"\b\nExamples:\n{lines}\n\nExit status: {status}."
