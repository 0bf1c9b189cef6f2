"""DuckDB's httpfs extension on two threads: duckdb_s3.py ENDPOINT QUERY OUT 'COPY OPTIONS'; keys come from AWS_….

Runs where duckdb and duckdb-extension-httpfs of one version are installed (the wheel carries the extension):
SLUICE_BENCH_DUCKDB names that Python.
"""
import os
import sys

import duckdb
import duckdb_extension_httpfs as extension

endpoint, query, out, options = sys.argv[1:5]
folder = f"{os.path.dirname(extension.__file__)}/extensions/v{duckdb.__version__}"
connection = duckdb.connect(config={"threads": "2", "allow_unsigned_extensions": "true"})
connection.execute(f"load '{folder}/httpfs.duckdb_extension'")
connection.execute(
    f"create secret (type s3, key_id '{os.environ['AWS_ACCESS_KEY_ID']}', secret '{os.environ['AWS_SECRET_ACCESS_KEY']}', "
    f"region 'us-east-1', endpoint '{endpoint.removeprefix('http://')}', url_style 'path', use_ssl false)"
)
connection.execute("set preserve_insertion_order=false")
connection.execute(f"copy ({query}) to '{out}' ({options})")
