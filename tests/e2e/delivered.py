"""What was delivered, read by Python's json, pyarrow and DuckDB, never by Sluice."""
import gzip
import json
import pathlib
import time

import duckdb


def rows(folder, pattern="**/*.jsonl"):
    """The rows of all NDJSON files below a folder, in the order of names; hidden files are nobody's business."""
    found = []
    for path in sorted(pathlib.Path(folder).glob(pattern)):
        if path.name.startswith(".") or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        text = path.read_text()
        assert text.endswith("\n") or text == "", f"{path} is half a file: {text[-80:]!r}"
        found += [json.loads(line) for line in text.splitlines()]
    return found


def ids(folder, **options):
    return sorted(row["id"] for row in rows(folder, **options))


def files(folder):
    """Visible files below a folder, relative to it."""
    folder = pathlib.Path(folder)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in paths if not hidden(path, folder))


def leftovers(folder):
    """Hidden files below a folder: uploads that nobody finished."""
    folder = pathlib.Path(folder)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and hidden(path, folder))


def hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def query(sql):
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def ndjson(path, numbers, **more):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps({"id": number, **more}) + "\n" for number in numbers)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


def wait_until(condition, what="", seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s: {what}"
        time.sleep(0.02)
