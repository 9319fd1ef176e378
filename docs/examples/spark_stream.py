"""Deliver files as they come, batch by batch, until there is none left."""

import os

from iterable_destination import Settings
from iterable_destination.spark import send_to_iterable
from pyspark.sql import DataFrame, SparkSession

ARCHIVE, WORK = os.environ["ARCHIVE"], os.environ["WORK"]
FILES = os.environ.get("FILES_IN_A_BATCH", "100")

spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setCheckpointDir(f"{WORK}/staged")
settings = Settings.from_environment()


def deliver(batch: DataFrame, number: int) -> None:
    """Deliver a batch. If it comes again it replaces its own rows, and no others."""
    send_to_iterable(
        batch,
        settings,
        lambda writer: writer.mode("overwrite").parquet(f"{WORK}/outcomes/batch={number}"),
        links=f"{WORK}/links",
    )


lines = spark.readStream.option("maxFilesPerTrigger", FILES).text(ARCHIVE)
stream = lines.writeStream.foreachBatch(deliver).option("checkpointLocation", f"{WORK}/stream")
stream.trigger(availableNow=True).start().awaitTermination()
