"""Spark finds the partitions that we wrote. Opt-in, it is half a gigabyte: SPARK_PYTHON names a Python that has pyspark
(3.5), SPARK_JARS a folder with hadoop-aws of its Hadoop (3.3.4) and what that depends on.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest
from services.s3 import ACCESS_KEY, SECRET_KEY

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guides/s3.md"
BEGINS = """
import glob, json, sys
from pyspark.sql import SparkSession
endpoint, jars, access, secret = sys.argv[1:]
settings = {"spark.jars": ",".join(glob.glob(jars + "/*.jar")), "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.hadoop.fs.s3a.endpoint": endpoint, "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.access.key": access, "spark.hadoop.fs.s3a.secret.key": secret}
builder = SparkSession.builder.master("local[1]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
"""
# Between them: what the guide says, which makes `events`.
ENDS = """
some = events.filter((events.collection == "events") & (events.year == 2025) & (events.month == 1) & (events.day == 15))
print(json.dumps({"types": dict(events.dtypes), "all": events.count(), "some": sorted(row.id for row in some.collect()),
                  "plan": some._jdf.queryExecution().executedPlan().toString()}))
"""


@pytest.mark.skipif("SPARK_PYTHON" not in os.environ, reason="opt-in: SPARK_PYTHON and SPARK_JARS are not set")
def test_spark_discovers_hive_partitions_and_prunes_by_them(sluice, gateway_bucket):
    bucket = gateway_bucket
    times = {number: f"2025-01-{number % 28 + 1:02}T{number % 24:02}:30:00Z" for number in range(1000)}
    (sluice.folder / "in.jsonl").write_text("".join(json.dumps({"id": i, "happened": at}) + "\n" for i, at in times.items()))
    into = bucket.at("lake/", "format := 'parquet', key_strategy := 'HivePartitioned', time_column := 'happened'")
    sluice.sql(f"CREATE TABLE events AS SELECT * FROM file('in.jsonl') INSERT INTO {into}", env=bucket.env)
    program = pathlib.Path(sluice.folder / "reads.py")
    says, = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert "s3a://my-data-lake/events/" in says
    program.write_text(BEGINS + says.replace("my-data-lake/events/", f"{bucket.name}/lake/") + ENDS)
    done = subprocess.run([os.environ["SPARK_PYTHON"], program, bucket.endpoint, os.environ["SPARK_JARS"], ACCESS_KEY, SECRET_KEY],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "|collection|" in done.stdout  # the table that the guide's block shows
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: found["types"][name] for name in ("collection", "year", "month", "day", "hour")} == {
        "collection": "string", "year": "int", "month": "int", "day": "int", "hour": "int"}
    assert found["all"] == 1000
    assert found["some"] == [number for number in times if number % 28 == 14]
    assert "PartitionFilters: [isnotnull(collection" in found["plan"]
