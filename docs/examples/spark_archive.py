"""Deliver an archive, and look at the table of outcomes."""

import os

from iterable_destination import Settings
from iterable_destination.spark import send_to_iterable, translate_events
from pyspark.sql import SparkSession

ARCHIVE = os.environ["ARCHIVE"]  # such as s3a://bucket/segment-logs/SOURCE/1675*/*.gz
WORK = os.environ["WORK"]  # such as s3a://bucket/iterable

spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setCheckpointDir(f"{WORK}/staged")
settings = Settings.from_environment()
events = spark.read.text(ARCHIVE)

_, refusals = translate_events(events, settings)  # nothing is sent
refusals.groupBy("outcome", "message").count().show(truncate=False)

send_to_iterable(events, settings, lambda writer: writer.parquet(f"{WORK}/outcomes"))

outcomes = spark.read.parquet(f"{WORK}/outcomes")
outcomes.groupBy("outcome").count().orderBy("outcome").show()
