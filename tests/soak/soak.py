"""Kills running pipelines at random for SOAK_MINUTES, then lets them drain and lets DuckDB and SQLite judge.

writer.py writes logs into a watched folder; one process lands them in a partitioned Parquet folder, another one in two
tables of an SQLite file. Each is killed (SIGKILL, SIGTERM, or SIGTERM and then SIGKILL) every 1 to 8 seconds and started
again. A row that is missing, there twice or damaged, half a file, or a process that fails by itself ends with exit code 1
and the folder is kept.
"""
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import duckdb
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SLUICE_BINARY", str(ROOT / "build" / "sluice"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "15"))
ROWS_PER_SECOND = os.environ.get("SOAK_ROWS_PER_SECOND", "2000")
SEED = int(os.environ.get("SOAK_SEED", str(time.time_ns() % 1_000_000)))
DRAIN_SECONDS = 120

SOURCE = """file('logs/', watch := true, poll_interval := '200ms', format := 'json',
       columns := 'id BIGINT, part VARCHAR, text VARCHAR')"""
PIPELINES = {
    "lake.sql": f"""
CREATE STREAM lake WITH (epoch_age := '1s') AS
  SELECT id, part, text FROM {SOURCE}
  INSERT INTO file('lake/', format := 'parquet', partition_by := 'part', rotate_rows := 5000);
""",
    "tables.sql": f"""
CREATE STREAM appended WITH (epoch_age := '300ms') AS
  SELECT id, part, text FROM {SOURCE}
  INSERT INTO sqlite('out.db?table=appended');
CREATE STREAM upserted WITH (epoch_age := '500ms') AS
  SELECT id, part, text FROM {SOURCE}
  INSERT INTO sqlite('out.db?table=upserted', key := 'id');
""",
}
RELATIONS = {
    "lake": "read_parquet('lake/**/*.parquet', hive_partitioning := true)",
    "appended": "judged.appended",
    "upserted": "judged.upserted",
}


class Failure(Exception):
    """What ends a soak at once: one sentence."""


def is_hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


class Pipeline:
    """One `sluice run` process that is started again and again; its stderr goes to NAME.log."""

    def __init__(self, folder, name, chance):
        self.folder, self.name, self.chance = folder, name, chance
        self.kills = 0
        self.begin()

    def begin(self):
        with open(self.folder / f"{self.name}.log", "a") as log:
            self.process = subprocess.Popen(
                [BINARY, "run", "--memory", "256MB", self.name], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**os.environ, "SLUICE_STATE": "sqlite:state.db"})
        self.kill_at = time.monotonic() + self.chance.uniform(1, 8)

    def expect_running(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended by itself with {self.process.returncode}; see {self.name}.log")

    def kill(self):
        self.expect_running()
        way = self.chance.random()
        if way < 0.6:
            self.process.kill()
            self.process.wait()
        elif way < 0.8:
            self.process.terminate()
            time.sleep(self.chance.uniform(0, 0.2))
            self.process.kill()
            self.process.wait()
        else:
            self.stop()
        self.kills += 1

    def stop(self):
        """SIGTERM; before the program listens for it, it ends as any program does."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within 60 s of SIGTERM") from None
        if code not in (0, -signal.SIGTERM):
            raise Failure(f"{self.name} answered SIGTERM with exit code {code}; see {self.name}.log")


class Lake:
    """The visible Parquet files; each is looked at once, as soon as it is seen."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = {}

    def look(self):
        for path in self.folder.rglob("*.parquet"):
            if path in self.seen or is_hidden(path, self.folder):
                continue
            try:
                self.seen[path] = pyarrow.parquet.read_metadata(path).num_rows
            except Exception as error:
                raise Failure(f"{path} is visible and half a file: {error}") from error

    def rows(self):
        self.look()
        return sum(self.seen.values())


def rows_in(folder, table):
    try:
        database = sqlite3.connect(f"file:{folder}/out.db?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        finally:
            database.close()
    except sqlite3.OperationalError:
        return 0


def drain(folder, lake, pipelines, written):
    """Waits until everything has arrived, or nothing has for a while: what is missing then is lost."""
    before, moved_at = None, time.monotonic()
    while time.monotonic() - moved_at < DRAIN_SECONDS:
        for pipeline in pipelines:
            pipeline.expect_running()
        now = (lake.rows(), rows_in(folder, "appended"), rows_in(folder, "upserted"))
        if all(rows >= written for rows in now):
            time.sleep(2)  # for what would come twice
            return
        if now != before:
            before, moved_at = now, time.monotonic()
        time.sleep(0.5)


def judge(folder, written):
    """(lost, doubled, damaged) over all three targets, as DuckDB reads them."""
    # Python's sqlite3 completes the journal that a killed process may have left; DuckDB gets the rows from it.
    with sqlite3.connect(folder / "out.db") as database:
        if database.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise Failure("out.db is damaged")
        tables = {table: database.execute(f"SELECT id, part, text FROM {table}").fetchall()
                  for table in ("appended", "upserted")}
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET file_search_path = '%s'" % folder)
        connection.execute("CREATE SCHEMA judged")
        for table, rows in tables.items():
            arrow = pyarrow.table({"id": pyarrow.array((row[0] for row in rows), pyarrow.int64()),
                                   "part": pyarrow.array((row[1] for row in rows), pyarrow.string()),
                                   "text": pyarrow.array((row[2] for row in rows), pyarrow.string())})
            connection.register("given", arrow)
            connection.execute(f"CREATE TABLE judged.{table} AS FROM given")
            connection.unregister("given")
        for name, relation in RELATIONS.items():
            lost, doubled, damaged = connection.execute(f"""
                SELECT {written} - count(DISTINCT id) FILTER (id BETWEEN 0 AND {written} - 1),
                       count(*) - count(DISTINCT id),
                       count(*) FILTER (id IS NULL OR id NOT BETWEEN 0 AND {written} - 1
                                        OR text IS DISTINCT FROM md5(id::VARCHAR)
                                        OR part IS DISTINCT FROM ['a', 'b', 'c'][id % 3 + 1])
                FROM {relation}""").fetchone()
            print(f"soak: {name}: lost {lost}, doubled {doubled}, damaged {damaged}")
            found.append((lost, doubled, damaged))
    return tuple(map(sum, zip(*found)))


def leftovers(folder):
    return [path for path in (folder / "lake").rglob("*")
            if path.is_file() and is_hidden(path, folder / "lake")]


def soak(folder):
    """Prints the closing line; True when all is well."""
    chance = random.Random(SEED)
    (folder / "logs").mkdir()
    for name, sql in PIPELINES.items():
        (folder / name).write_text(sql)
    writer = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name("writer.py")), str(folder / "logs"),
                               ROWS_PER_SECOND, str(SEED), str(folder / "written")], stdin=subprocess.DEVNULL)
    lake, pipelines = Lake(folder / "lake"), []
    try:
        pipelines += [Pipeline(folder, name, chance) for name in PIPELINES]
        ends_at = time.monotonic() + MINUTES * 60
        look_at = 0.0
        while time.monotonic() < ends_at:
            time.sleep(0.1)
            if writer.poll() is not None:
                raise Failure("the writer ended by itself")
            if time.monotonic() > look_at:
                lake.look()
                look_at = time.monotonic() + 1
            for pipeline in pipelines:
                pipeline.expect_running()
                if time.monotonic() > pipeline.kill_at:
                    pipeline.kill()
                    pipeline.begin()
        writer.terminate()
        writer.wait(timeout=60)
        written = int((folder / "written").read_text())
        drain(folder, lake, pipelines, written)
        for pipeline in pipelines:
            pipeline.stop()
        lake.look()
        lost, doubled, damaged = judge(folder, written)
    finally:
        for process in [writer] + [pipeline.process for pipeline in pipelines]:
            if process.poll() is None:
                process.kill()
                process.wait()
    unfinished = leftovers(folder)
    for path in unfinished[:10]:
        print(f"soak: left over: {path}")
    kills = sum(pipeline.kills for pipeline in pipelines)
    extra = "".join(f", {what} {count}" for what, count in (("damaged", damaged), ("left over", len(unfinished))) if count)
    print(f"soak: {MINUTES:g} minutes, {kills} kills, {written} rows, lost {lost}, doubled {doubled}{extra}")
    return (lost, doubled, damaged, len(unfinished)) == (0, 0, 0, 0)


def main():
    given = os.environ.get("SOAK_FOLDER")
    if given:
        os.makedirs(given)
    folder = pathlib.Path(given or tempfile.mkdtemp(prefix="sluice-soak-")).resolve()
    print(f"soak: seed {SEED}, in {folder}", flush=True)
    try:
        well = soak(folder)
    except Failure as failure:
        print(f"soak: {failure}")
        well = False
    if well:
        shutil.rmtree(folder)
        return 0
    print(f"soak: SOAK_SEED={SEED}; everything is in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
