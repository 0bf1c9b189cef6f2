"""pyarrow, streaming: pyarrow_json.py IN.jsonl OUT.parquet."""
import sys

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet

pa.set_cpu_count(2)
table = pyarrow.json.read_json(sys.argv[1], read_options=pyarrow.json.ReadOptions(block_size=8 << 20))
pyarrow.parquet.write_table(table, sys.argv[2], compression="zstd")
