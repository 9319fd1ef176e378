"""Names that are linked, over several events or calls, are one user's."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from iterable_destination.spark.users import add_users

#: A chain of names in which the smallest is at one end, two of one user, and one alone.
NAMES = [["f", "g"], ["e", "f"], ["a", "e"], ["x", "y"], ["z"], []]


def named(spark: SparkSession, names: list[list[str]]) -> DataFrame:
    rows = [(number, sorted(each)) for number, each in enumerate(names)]
    return spark.createDataFrame(rows, "number int, names array<string>")


def mains(found: DataFrame) -> list[str | None]:
    return [row.main for row in found.orderBy("number").collect()]


def test_a_user_is_the_smallest_of_all_names_that_are_linked(spark: SparkSession) -> None:
    found = mains(add_users(named(spark, NAMES), None))
    assert found == ["a", "a", "a", "x", "z", None]


def test_links_are_kept_for_the_next_call_each_once(spark: SparkSession, tmp_path: Path) -> None:
    links = str(tmp_path / "links")
    for _ in range(2):
        assert mains(add_users(named(spark, [["a", "b"]]), links)) == ["a"]
    assert mains(add_users(named(spark, [["b"], ["c"], ["b", "c"]]), links)) == ["a", "a", "a"]
    assert mains(add_users(named(spark, [["c"], []]), links)) == ["a", None]
    assert spark.read.parquet(links).count() == 2
