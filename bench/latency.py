"""How long a change takes from its commit at the source to its commit at the replica, at 5,000 changes a second.

Source and replica are two databases of one server that keeps the times of commits (track_commit_timestamp): a row's last
change was committed at the source by its xmin there, and at the replica by its xmin here, on the same clock.
"""
import signal
import statistics
import time

from measuring import started, wait_until

CHANGES_A_SECOND = 5000
CHANGES_A_TRANSACTION = 10
SECONDS = 20
WARM_UP = 2  # seconds that do not count
COMMITTED = "SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM accounts"
NEWEST = "SELECT max(id) FROM accounts"


def write(database, first, seconds):
    """Commits on schedule; the number of transactions."""
    count = int(seconds * CHANGES_A_SECOND / CHANGES_A_TRANSACTION)
    began = time.monotonic()
    for i in range(count):
        due = began + i * CHANGES_A_TRANSACTION / CHANGES_A_SECOND
        if (left := due - time.monotonic()) > 0:
            time.sleep(left)
        database.execute("CALL make_changes(%s, 1)", [first + i])
    took = time.monotonic() - began
    assert took < seconds * 1.1, f"the writer fell behind: {took:.1f} s for {seconds} s of changes"
    return count


def latencies(beside, since):
    before = dict(beside.database.rows(COMMITTED))
    after = dict(beside.replica.rows(COMMITTED))
    assert before.keys() == after.keys(), "the replica has other rows than the source"
    return sorted(after[key] - time for key, time in before.items() if time is not None and time >= since)


def measure_latency(command, folder, beside):
    database = beside.database
    first = int(beside.places["{run}"]) * 1_000_000
    with started(beside.fill(command.command), folder, beside.environment) as running:
        def catch_up():
            newest = database.value(NEWEST)
            wait_until(lambda: beside.replica.value(NEWEST) == newest, running, "the replica has the last change")

        catch_up()
        first += write(database, first, WARM_UP)
        since = database.value("SELECT extract(epoch FROM clock_timestamp())::float8")
        write(database, first, SECONDS)
        catch_up()
        running.process.send_signal(signal.SIGTERM)
        figures = running.finish()
    found = latencies(beside, since)
    figures["p50"] = statistics.median(found)
    figures["p99"] = found[int(len(found) * 0.99)]
    figures["rows"] = len(found)
    return figures
