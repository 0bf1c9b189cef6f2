"""fastavro: fastavro_copy.py IN.avro OUT.parquet, or IN.parquet OUT.avro."""
import sys

import fastavro
import pyarrow as pa
import pyarrow.parquet

SCHEMA_OF = {"int64": "long", "double": "double", "string": "string", "bool": "boolean"}


def avro_type(kind):
    """The schema that Sluice writes for the generated data, as fastavro takes it."""
    if pa.types.is_timestamp(kind):
        return {"type": "long", "logicalType": "timestamp-micros" if kind.tz else "local-timestamp-micros"}
    if pa.types.is_list(kind):
        return {"type": "array", "items": ["null", avro_type(kind.value_type)]}
    if pa.types.is_struct(kind):
        return {"type": "record", "name": f"r{len(str(kind))}", "fields": fields(kind)}
    return SCHEMA_OF[str(kind)]


def fields(columns):
    return [{"name": column.name, "type": ["null", avro_type(column.type)]} for column in columns]


source, target = sys.argv[1:]
if source.endswith(".avro"):
    with open(source, "rb") as file:
        table = pa.Table.from_pylist(list(fastavro.reader(file)))
    pyarrow.parquet.write_table(table, target, compression="zstd")
else:
    file = pyarrow.parquet.ParquetFile(source)
    schema = {"type": "record", "name": "row", "fields": fields(file.schema_arrow)}
    rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
    with open(target, "wb") as out:
        fastavro.writer(out, schema, rows)
