"""Deliver the rows of a table, in which some cells are empty."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from iterable_destination import Destination, Settings

table = pd.DataFrame(
    {
        "user": ["u-7", "u-8"],
        "plan": ["pro", None],
        "seats": [3, None],
        "renewed": [pd.Timestamp("2023-02-05T20:42:10Z"), pd.NaT],
    }
)

settings = Settings.from_environment(base=Settings(nan_as_null=True))
rows = table.convert_dtypes()  # numbers that are whole stay whole


def events() -> Iterator[dict[str, Any]]:
    """Yield an identify for each row."""
    for row in rows.to_dict("records"):
        yield {"type": "identify", "userId": row.pop("user"), "traits": row}


with Destination(settings) as destination:
    outcomes = sorted(destination.send_all(events()), key=lambda outcome: outcome.index)

for outcome in outcomes:
    print(outcome.name, outcome.calls[0].body()["dataFields"])
