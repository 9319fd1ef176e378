"""The mapping as a suite of cases that any implementation, in any language, can be run against.

What lives here: reading the cases, comparing what an implementation gives with what a case says,
and running one, in this process or another. What a case means is in ``conformance/README.md``. ::

    from iterable_destination.conformance import cases, run

    failed = [result for result in run(my_implementation, cases("classic")) if result.differences]

An implementation is a function that takes the request of a case, and returns its output, both as
decoded JSON. :func:`answer` is that of this package.
"""

from __future__ import annotations

from iterable_destination.conformance.answering import answer
from iterable_destination.conformance.cases import SYSTEMS, Case, cases
from iterable_destination.conformance.comparing import compare
from iterable_destination.conformance.running import Implementation, Result, run

__all__ = ["SYSTEMS", "Case", "Implementation", "Result", "answer", "cases", "compare", "run"]
