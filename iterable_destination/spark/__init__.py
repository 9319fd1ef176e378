"""Spark: events of a DataFrame become requests, or are delivered by its executors.

Here lives what spreads events over executors, and what their outcomes are as rows. How events are
translated and sent is in ``mapping`` and ``delivery``. It needs pyspark, pandas and pyarrow, which
the extra ``[spark]`` installs, on the driver and on each executor, and this package there too.
"""

from __future__ import annotations

from iterable_destination.spark.sending import send_to_iterable
from iterable_destination.spark.translation import translate_events

__all__ = ["send_to_iterable", "translate_events"]
