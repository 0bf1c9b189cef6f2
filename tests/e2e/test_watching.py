"""Files that are being written, rotated, compressed and moved while a stream follows them (semantics.md)."""
import gzip
import os
import shutil
import subprocess
import tempfile
import time

import pytest
from delivered import append, ids, ndjson, rows, wait_until

OPTIONS = "watch := true, poll_interval := '100ms', format := 'json', columns := 'id BIGINT'"


def stream_of(pattern, more=""):
    return (f"CREATE STREAM s WITH (epoch_age := '50ms') AS SELECT id FROM file('{pattern}', {OPTIONS}{more}) "
            "INSERT INTO file('out/')")


def lines(*numbers):
    return "".join('{"id": %d}\n' % number for number in numbers)


@pytest.fixture
def folder(sluice):
    (sluice.folder / "in").mkdir()
    return sluice.folder / "in"


@pytest.fixture
def out(sluice):
    (sluice.folder / "out").mkdir()
    return sluice.folder / "out"


@pytest.fixture
def follow(start, out, slowly):
    """follow(pattern): a running stream with delivers(ids): waits for exactly these, and that no more come."""

    class Followed:
        def __init__(self, pattern, more=""):
            self.sql = stream_of(pattern, more)
            self.restart()

        def restart(self):
            self.running = start("run", "-e", self.sql)

        def delivers(self, *expected, settle=0.0):
            self.running.waits_until(lambda: len(ids(out)) >= len(expected), f"{list(expected)}, has {ids(out)}", 20)
            slowly(settle)
            assert ids(out) == sorted(expected)

        def stop(self):
            return self.running.stop()

    return Followed


def test_new_files_and_appended_lines_are_delivered_once(folder, follow):
    ndjson(folder / "a.jsonl", [1])
    stream = follow("in/")
    stream.delivers(1)
    append(folder / "a.jsonl", lines(2))
    ndjson(folder / "b.jsonl", [3])
    stream.delivers(1, 2, 3)
    append(folder / "b.jsonl", lines(4))
    stream.delivers(1, 2, 3, 4, settle=0.3)
    stream.stop()


def test_a_partial_last_line_waits_for_its_end(folder, follow):
    (folder / "a.jsonl").write_text('{"id": 1}\n{"id"')
    stream = follow("in/")
    stream.delivers(1, settle=0.3)
    append(folder / "a.jsonl", ": 2")
    stream.delivers(1, settle=0.3)
    append(folder / "a.jsonl", "}\n")
    stream.delivers(1, 2)
    stream.stop()


def test_a_partial_last_line_survives_a_restart(folder, follow):
    (folder / "a.jsonl").write_text('{"id": 1}\n{"id": 2')
    stream = follow("in/")
    stream.delivers(1)
    stream.stop()
    append(folder / "a.jsonl", "2}\n" + lines(3))
    stream.restart()
    stream.delivers(1, 22, 3)
    stream.stop()


def test_files_shorter_than_a_line_wait(folder, follow):
    for name in ("a", "b", "c"):
        (folder / f"{name}.jsonl").write_text("{")
    (folder / "empty.jsonl").write_text("")
    stream = follow("in/")
    time.sleep(0.4)
    for number, name in enumerate(("a", "b", "c")):
        append(folder / f"{name}.jsonl", '"id": %d}\n' % number)
    stream.delivers(0, 1, 2, settle=0.2)
    append(folder / "empty.jsonl", lines(9))
    stream.delivers(0, 1, 2, 9)
    stream.stop()


def test_files_that_begin_alike_are_different_files(folder, follow):
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_text(lines(*[7] * 300))
    stream = follow("in/")
    stream.delivers(*[7] * 600)
    append(folder / "a.jsonl", lines(1))
    append(folder / "b.jsonl", lines(2))
    stream.delivers(*[7] * 600, 1, 2)
    stream.stop()


def test_rotation_by_rename_reads_each_line_once(folder, follow):
    ndjson(folder / "app.jsonl", [1, 2])
    stream = follow("in/*.jsonl*")
    stream.delivers(1, 2)
    append(folder / "app.jsonl", lines(3))
    os.rename(folder / "app.jsonl", folder / "app.jsonl.1")
    ndjson(folder / "app.jsonl", [4])
    stream.delivers(1, 2, 3, 4)
    append(folder / "app.jsonl.1", lines(5))  # the writer still had it open
    append(folder / "app.jsonl", lines(6))
    stream.delivers(1, 2, 3, 4, 5, 6)
    os.rename(folder / "app.jsonl.1", folder / "app.jsonl.2")
    os.rename(folder / "app.jsonl", folder / "app.jsonl.1")
    ndjson(folder / "app.jsonl", [7])
    stream.delivers(1, 2, 3, 4, 5, 6, 7, settle=0.3)
    stream.stop()


def test_rotation_while_it_is_stopped_is_understood_too(folder, follow):
    ndjson(folder / "app.jsonl", [1, 2])
    stream = follow("in/*.jsonl*")
    stream.delivers(1, 2)
    stream.stop()
    append(folder / "app.jsonl", lines(3))
    os.rename(folder / "app.jsonl", folder / "app.jsonl.1")
    ndjson(folder / "app.jsonl", [4])
    stream.restart()
    stream.delivers(1, 2, 3, 4, settle=0.3)
    stream.stop()


def test_copytruncate_reads_the_new_content(folder, follow, sluice):
    ndjson(folder / "app.jsonl", [1, 2, 3])
    stream = follow("in/*.jsonl")
    stream.delivers(1, 2, 3)
    shutil.copy(folder / "app.jsonl", sluice.folder / "app.jsonl.1")
    os.truncate(folder / "app.jsonl", 0)
    append(folder / "app.jsonl", lines(4))
    stream.delivers(1, 2, 3, 4)
    append(folder / "app.jsonl", lines(5, 6, 7))
    stream.delivers(1, 2, 3, 4, 5, 6, 7, settle=0.2)
    stream.stop()


def test_truncated_and_filled_beyond_the_old_end_while_stopped_is_new_content(folder, follow):
    ndjson(folder / "app.jsonl", [1, 2])
    stream = follow("in/*.jsonl")
    stream.delivers(1, 2)
    stream.stop()
    (folder / "app.jsonl").write_text(lines(*range(100, 120)))  # the same inode, longer than before
    stream.restart()
    stream.delivers(1, 2, *range(100, 120), settle=0.2)
    stream.stop()


def test_a_compressed_copy_of_a_file_that_was_read_is_not_read_again(folder, follow):
    path = ndjson(folder / "app.jsonl", range(50))
    stream = follow("in/")
    stream.delivers(*range(50))
    with gzip.open(folder / "app.jsonl.gz", "wb") as packed:
        packed.write(path.read_bytes())
    path.unlink()
    ndjson(folder / "aaa.jsonl", [99])  # it gets the inode of app.jsonl, as a new log does when an old one is packed
    stream.delivers(*range(50), 99, settle=0.3)
    ndjson(folder / "other.jsonl.gz", [100])
    stream.delivers(*range(50), 99, 100, settle=0.3)
    stream.stop()


def test_what_a_compressed_copy_has_more_is_read(folder, follow):
    path = ndjson(folder / "app.jsonl", range(50))
    stream = follow("in/")
    stream.delivers(*range(50))
    stream.stop()
    with gzip.open(folder / "app.jsonl.gz", "wb") as packed:
        packed.write(path.read_bytes() + lines(50, 51).encode())
    path.unlink()
    stream.restart()
    stream.delivers(*range(52), settle=0.3)
    stream.stop()


def test_directories_that_appear_later_are_watched(sluice, out, follow):
    stream = follow("late/**/*.jsonl")
    time.sleep(0.3)
    ndjson(sluice.folder / "late/2024/01/a.jsonl", [1])
    stream.delivers(1)
    ndjson(sluice.folder / "late/2024/02/b.jsonl", [2])
    ndjson(sluice.folder / "late/c.jsonl", [3])
    stream.delivers(1, 2, 3)
    shutil.rmtree(sluice.folder / "late/2024")
    ndjson(sluice.folder / "late/2024/03/d.jsonl", [4])
    append(sluice.folder / "late/c.jsonl", lines(5))
    stream.delivers(1, 2, 3, 4, 5, settle=0.2)
    stream.stop()


def test_an_inode_that_serves_another_file_now_is_new_content(folder, follow):
    old = ndjson(folder / "a.jsonl", [1, 2, 3])
    inode = old.stat().st_ino
    stream = follow("in/")
    stream.delivers(1, 2, 3)
    stream.stop()
    old.unlink()
    reused = False
    for number in range(200):  # until the file system hands the number out again
        new = ndjson(folder / f"new{number}.jsonl", [7, 8, 9])
        reused = new.stat().st_ino == inode
        if reused:
            break
        new.unlink()
    stream.restart()
    if not reused:
        new = ndjson(folder / "new.jsonl", [7, 8, 9])
    stream.delivers(1, 2, 3, 7, 8, 9, settle=0.2)
    stream.stop()
    stream.restart()  # two files of that inode are on record now
    append(new, lines(10))
    stream.delivers(1, 2, 3, 7, 8, 9, 10, settle=0.2)
    stream.stop()


def test_a_file_removed_before_it_was_read_hurts_nobody(folder, follow):
    ndjson(folder / "a.jsonl", [1])
    stream = follow("in/")
    stream.delivers(1)
    for number in range(20):
        ndjson(folder / f"short-lived-{number}.jsonl", [1000]).unlink()
    ndjson(folder / "b.jsonl", [2])
    stream.running.waits_until(lambda: 2 in ids(folder.parent / "out"), "the other file")
    stream.stop()


def test_permissions_that_are_given_back_let_it_go_on(sluice):
    """Root may read everything: the stream runs as nobody."""
    if os.geteuid() != 0:
        user = {}
    else:
        user = {"user": 65534, "group": 65534}
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o777)
        source = os.path.join(name, "in")
        os.mkdir(source, 0o777)
        with open(f"{source}/a.jsonl", "w") as file:
            file.write(lines(1))
        out = os.path.join(name, "out")
        process = subprocess.Popen(
            [sluice.binary, "run", "-e", stream_of(f"{source}/").replace("'out/'", f"'{out}/'")], cwd=name,
            env={**os.environ, "SLUICE_STATE": f"sqlite:{name}/state.db", "HOME": name},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **user)
        try:
            wait_until(lambda: ids(out) == [1] or process.poll() is not None, "the first row")
            with open(f"{source}/secret.jsonl", "w") as file:
                os.fchmod(file.fileno(), 0)
                file.write(lines(2))
            with open(f"{source}/b.jsonl", "w") as file:
                file.write(lines(3))
            wait_until(lambda: ids(out) == [1, 3] or process.poll() is not None, "the file that may be read")
            os.chmod(source, 0)  # the folder, too
            time.sleep(0.3)
            os.chmod(source, 0o777)
            os.chmod(f"{source}/secret.jsonl", 0o644)
            wait_until(lambda: ids(out) == [1, 2, 3] or process.poll() is not None, "all rows")
            assert process.poll() is None, process.communicate()
            process.terminate()
            _, stderr = process.communicate(timeout=20)
            assert process.returncode == 0, stderr
            assert ids(out) == [1, 2, 3]
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def test_many_files_at_once_all_arrive(folder, follow, out):
    stream = follow("in/")
    for number in range(500):
        ndjson(folder / f"{number % 10}/{number}.jsonl", [number])
    stream.running.waits_until(lambda: len(ids(out)) >= 500, "500 files")
    stream.stop()
    assert ids(out) == list(range(500))


def test_new_files_are_seen_by_polling_where_notifications_do_not_come(folder, follow, sluice):
    """A bind mount of a folder changed elsewhere would need root; a symbolic link to a folder gives no notification."""
    elsewhere = sluice.folder / "elsewhere"
    elsewhere.mkdir()
    os.symlink(elsewhere, folder / "link")
    ndjson(folder / "a.jsonl", [1])
    stream = follow("in/link/*.jsonl")
    ndjson(elsewhere / "b.jsonl", [2])
    stream.delivers(2)
    ndjson(elsewhere / "c.jsonl", [3])
    stream.delivers(2, 3)
    stream.stop()


def test_csv_that_grows_keeps_its_header(sluice, start, out):
    (sluice.folder / "in").mkdir()
    path = sluice.folder / "in/a.csv"
    path.write_text("id,name\n1,ann\n")
    stream = start("run", "-e", "CREATE STREAM s WITH (epoch_age := '50ms') AS SELECT id, name FROM file('in/', "
                   "watch := true, poll_interval := '100ms', format := 'csv') INSERT INTO file('out/')")
    stream.waits_until(lambda: len(rows(out)) == 1, "the first row")
    append(path, '2,"bo')
    time.sleep(0.3)
    append(path, 'b\nby"\n3,eve\n')
    stream.waits_until(lambda: len(rows(out)) == 3, "the others")
    stream.stop()
    assert sorted((row["id"], row["name"]) for row in rows(out)) == [(1, "ann"), (2, "bob\nby"), (3, "eve")]
