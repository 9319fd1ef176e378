"""A small shop's week: sample events to try things out with, some of them wrong on purpose.

Fern & Folio, Stationers, and its eight customers are invented. ``ada@example.com`` (``c-1001``) and
``bruno@example.com`` (``c-1002``) have the longest histories.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any


def week() -> Iterator[dict[str, Any]]:
    """Read the events of the week in the order of their time, each decoded anew.

    The ``messageId`` of an event says when it happens and what it is about:
    ``mon-0901-signup-ada``.
    """
    with resources.files(__name__).joinpath("week.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
