"""DuckDB's postgres extension: duckdb_postgres.py DSN TABLE OUT.parquet, or duckdb_postgres.py DSN TABLE
s3://BUCKET/OUT.parquet ENDPOINT with keys from AWS_…, or duckdb_postgres.py DSN TABLE --load IN.csv.

Runs where duckdb, duckdb-extension-postgres-scanner and duckdb-extension-httpfs of one version are installed (the wheels
carry the extensions): SLUICE_BENCH_DUCKDB names that Python.
"""
import importlib
import os
import sys

import duckdb

connection = duckdb.connect(config={"threads": "2", "allow_unsigned_extensions": "true"})


def load(package, name):
    folder = os.path.dirname(importlib.import_module(package).__file__)
    connection.execute(f"load '{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")


dsn, table, out = sys.argv[1:4]
load("duckdb_extension_postgres_scanner", "postgres_scanner")
if out.startswith("s3://"):
    load("duckdb_extension_httpfs", "httpfs")
    connection.execute(
        f"create secret (type s3, key_id '{os.environ['AWS_ACCESS_KEY_ID']}', secret '{os.environ['AWS_SECRET_ACCESS_KEY']}', "
        f"region 'us-east-1', endpoint '{sys.argv[4].removeprefix('http://')}', url_style 'path', use_ssl false)"
    )
connection.execute(f"attach '{dsn}' as pg (type postgres)")
connection.execute("set preserve_insertion_order=false")
if out == "--load":
    connection.execute(f"insert into pg.public.{table} select * from read_csv('{sys.argv[4]}', header=true)")
else:
    connection.execute(f"copy (select * from pg.public.{table}) to '{out}' (format parquet, compression zstd)")
