"""DuckDB's postgres extension: duckdb_postgres.py DSN TABLE OUT.parquet, or duckdb_postgres.py DSN TABLE --load IN.csv.

Runs where duckdb and duckdb-extension-postgres-scanner of one version are installed (the wheel carries the extension):
SLUICE_BENCH_DUCKDB names that Python.
"""
import os
import sys

import duckdb
import duckdb_extension_postgres_scanner as extension

dsn, table = sys.argv[1:3]
folder = f"{os.path.dirname(extension.__file__)}/extensions/v{duckdb.__version__}"
connection = duckdb.connect(config={"threads": "2", "allow_unsigned_extensions": "true"})
connection.execute(f"load '{folder}/postgres_scanner.duckdb_extension'")
connection.execute(f"attach '{dsn}' as pg (type postgres)")
connection.execute("set preserve_insertion_order=false")
if sys.argv[3] == "--load":
    connection.execute(f"insert into pg.public.{table} select * from read_csv('{sys.argv[4]}', header=true)")
else:
    connection.execute(f"copy (select * from pg.public.{table}) to '{sys.argv[3]}' (format parquet, compression zstd)")
