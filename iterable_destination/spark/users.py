"""Users: which events are one user's, by all names that belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def add_users(events: DataFrame, links: str | None) -> DataFrame:
    """Return events, which have ``names``, with their ``user``: one name for all of them.

    Names that stand in one event are one user's, and so are names that are linked by several. A
    user is the smallest of these names; null for an event without a name. ``links`` is a folder in
    which names that stood together are kept for a later call; None keeps nothing.
    """
    pairs = events.where("size(names) > 1").selectExpr(
        "names[0] as one", "explode(slice(names, 2, size(names))) as other"
    )
    linked = _find_users(_keep_pairs(pairs.distinct(), links))
    named = events.selectExpr("*", "get(names, 0) as name").join(linked, "name", "left")
    return named.selectExpr("*", "coalesce(user, name) as main").drop("user", "name", "names")


def _keep_pairs(pairs: DataFrame, links: str | None) -> DataFrame:
    """Return pairs of names with those that are kept, and keep those that are new."""
    if links is None:
        return pairs
    pairs.limit(0).write.mode("ignore").parquet(links)  # so that there is something to read
    known = pairs.sparkSession.read.schema("one string, other string").parquet(links)
    new = pairs.join(known, ["one", "other"], "left_anti")
    new.write.mode("append").parquet(links)
    return known.union(new).distinct()


def _find_users(pairs: DataFrame) -> DataFrame:
    """Return the ``user`` of each ``name`` that stands in a pair.

    Each name takes the smallest user of the names beside it, until none changes: as many steps as
    the longest chain of names has links. A step is kept on disk, so that none is repeated.
    """
    both = pairs.union(pairs.selectExpr("other", "one")).checkpoint()
    users = both.selectExpr("one as name", "one as user").distinct()
    while True:
        beside = users.selectExpr("name as other", "user").join(both, "other")
        candidates = beside.selectExpr("one as name", "user", "null as before").union(
            users.selectExpr("name", "user", "user as before")
        )
        found = candidates.groupBy("name").agg({"user": "min", "before": "max"})
        named = found.selectExpr("name", "`min(user)` as user", "`max(before)` as before")
        step = named.checkpoint()
        users = step.select("name", "user")
        if step.where("user <> before").isEmpty():
            return users
