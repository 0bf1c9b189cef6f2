"""DuckDB on two threads: duckdb_copy.py QUERY OUT 'COPY OPTIONS'."""
import sys

import duckdb

query, out, options = sys.argv[1:4]
connection = duckdb.connect(config={"threads": "2"})
connection.execute("set preserve_insertion_order=false")
connection.execute(f"copy ({query}) to '{out}' ({options})")
