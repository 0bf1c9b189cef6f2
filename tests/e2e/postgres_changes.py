"""What the tests of change streams share: statements, what was delivered as pyarrow reads it, replayed strictly (an insert
finds no row, an update and a delete find one, so that a change that is lost or doubled shows), and a writer."""
import contextlib
import pathlib
import random
import signal
import sqlite3
import threading
import time

import pyarrow
import pyarrow.ipc
import pyarrow.parquet


def wait_until(condition, seconds=30, running=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if running is not None and running.poll() is not None:
            raise AssertionError(f"it ended: {running.stderr.read()}")
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


OUT = "INSERT INTO file('out/', format := 'parquet')"


def stream(source, sink=OUT, select="*", where="", options="", name="s"):
    return (f"CREATE STREAM {name} WITH (epoch_age := '100ms'{options}) AS SELECT {select} FROM {source}"
            f"{' WHERE ' + where if where else ''} {sink};")


def changes_of(database, table="t", more=""):
    return database.at(table, "cdc := true" + (", " + more if more else ""))


@contextlib.contextmanager
def running(sluice, statement):
    process = sluice.start("run", "-e", statement)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                _, error = process.communicate(timeout=30)
            except Exception:
                process.kill()
                raise
            assert process.returncode == 0, error


def plain(column):
    """Dates and times as numbers: Python has neither infinities nor years before Christ."""
    if pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_time64(column.type):
        return column.cast(pyarrow.int64())
    return column.cast(pyarrow.int32()) if pyarrow.types.is_date32(column.type) else column


def changes(folder):
    """All delivered changes in their order, as dicts; columns that a file has not are NULL."""
    rows, names = [], set()
    for path in pathlib.Path(folder).rglob("*.*"):
        if path.name.startswith((".", "_")) or not path.is_file():
            continue
        parquet = path.suffix == ".parquet"
        table = pyarrow.parquet.ParquetFile(path).read() if parquet else pyarrow.ipc.open_file(path).read_all()
        names |= set(table.column_names)
        columns = [plain(column).to_pylist() for column in table.columns]
        rows += [dict(zip(table.column_names, row)) for row in zip(*columns)]
    absent = {row_name: None for row_name in names}
    return sorted(({**absent, **row} for row in rows), key=lambda row: row["_pos"])


def replay(rows, key=("id",), without=("_op", "_ts", "_pos", "_unchanged")):
    """The table that the changes make. Strict."""
    table = {}
    for row in rows:
        identity = tuple(row[name] for name in key)
        values = {name: value for name, value in row.items() if name not in without}
        if row["_op"] in ("snapshot", "insert"):
            assert identity not in table, f"doubled: {row}"
            table[identity] = values
        elif row["_op"] == "update":
            assert identity in table, f"lost: {row}"
            kept = (row.get("_unchanged") or "").split(",")
            table[identity] = {n: table[identity][n] if n in kept else v for n, v in values.items()}
        else:
            assert identity in table, f"lost: {row}"
            del table[identity]
    return table


def table_of(database, table="t", columns="*", key=("id",)):
    cursor = database.connection.execute(f"SELECT {columns} FROM {table}")
    names = [column.name for column in cursor.description]
    rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    return {tuple(row[name] for name in key): row for row in rows}


def copied(sluice, database, table="t"):
    """Has everything arrived?"""
    try:
        return replay(changes(sluice.folder / "out")) == table_of(database, table)
    except AssertionError:
        return False


def slot(database, name="sluice_s"):
    """While it is being made a slot is active, too: it counts when changes are sent."""
    rows = database.rows(
        "SELECT EXISTS (SELECT FROM pg_stat_replication r WHERE r.pid = active_pid AND r.state <> 'startup'), "
        "confirmed_flush_lsn::text, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, "
        "active_pid FROM pg_replication_slots WHERE slot_name = %s", [name])
    return rows[0] if rows else None


class Writer(threading.Thread):
    """Inserts, updates, deletes, changes keys and rolls back until it is told to stop."""

    def __init__(self, database, table="t", keys=20_000, pause=0.0):
        super().__init__(daemon=True)
        self.connection = database.server.connect(database.name)
        self.connection.autocommit = False
        self.table, self.keys, self.pause = table, keys, pause
        self.stopping = threading.Event()
        self.random = random.Random(7)
        self.next = 10_000_000
        self.failed = None

    def change(self):
        which = self.random.randrange(10)
        one = self.random.randrange(self.keys)
        if which < 3:
            self.next += 1
            self.connection.execute(f"INSERT INTO {self.table} VALUES (%s, %s)", [self.next, f"new {self.next}"])
        elif which < 7:
            self.connection.execute(f"UPDATE {self.table} SET v = v || '+' WHERE id = %s", [one])
        elif which < 8:
            self.connection.execute(f"DELETE FROM {self.table} WHERE id = %s", [one])
        elif which < 9:
            self.next += 1
            self.connection.execute(f"UPDATE {self.table} SET id = %s WHERE id = %s", [self.next, one])
        else:  # back into the range of the keys
            self.connection.execute(
                f"UPDATE {self.table} SET id = %s WHERE id = (SELECT max(id) FROM {self.table} WHERE id > 10000000) "
                f"AND NOT EXISTS (SELECT FROM {self.table} WHERE id = %s)", [one, one])

    def run(self):
        try:
            while not self.stopping.is_set():
                for _ in range(self.random.randrange(1, 20)):
                    self.change()
                if self.random.randrange(8) == 0:
                    self.connection.rollback()
                else:
                    self.connection.commit()
                time.sleep(self.pause)
        except Exception as error:
            self.failed = error

    def stop(self):
        self.stopping.set()
        self.join(30)
        self.connection.rollback()
        self.connection.close()
        if self.failed:
            raise self.failed


def sqlite_rows(sluice, sql):
    try:
        with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
            return sorted(out.execute(sql).fetchall())
    except sqlite3.OperationalError:
        return None
