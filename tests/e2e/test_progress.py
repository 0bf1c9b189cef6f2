"""How runs show that they get on: a line that is rewritten on a terminal, no more than plain lines elsewhere."""
import os
import pty
import re
import subprocess

import pytest
from delivered import ids, ndjson

SQL = "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '100 rows/s') INSERT INTO file('out/')"
ROWS = r"(\w+): (\d+) rows  [\d.]+ K?B(?:  \d+ rows/s  [\d.]+ K?B/s)?(?:  (\d+)%(?:  \d+s left)?)?"


def reading_all(stream):
    try:
        while more := stream.read(4096):
            yield more
    except OSError:  # how Linux says that nobody holds the terminal any more
        pass


def run(sluice, *flags, terminal, sql=SQL):
    """What it writes to stderr, byte by byte."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen([sluice.binary, "run", *flags, "-e", sql], cwd=sluice.folder, stderr=writer,
                               env={**os.environ, "SLUICE_STATE": f"sqlite:{sluice.folder}/state.db"})
    os.close(writer)
    with open(reader, "rb", buffering=0) as stream:
        said = b"".join(reading_all(stream))
    assert process.wait(30) == 0, said
    return said.decode()


def frames(said):
    """What stood in the line one after another, and what came behind it. The terminal cuts it: it is told not to wrap."""
    *shown, rest = said.split("\r\x1b[K")
    assert shown.pop(0) == ""
    assert all(re.fullmatch("\x1b\\[\\?7l[^\x1b\n]*\x1b\\[\\?7h", frame) for frame in shown), shown
    return [frame[5:-5] for frame in shown], rest


@pytest.fixture
def ten_files(sluice):
    for part in range(10):
        ndjson(sluice.folder / f"in/{part}.jsonl", range(part, 100, 10))


def test_on_a_terminal_one_line_is_rewritten(sluice, ten_files):
    shown, rest = frames(run(sluice, terminal=True))
    assert ids(sluice.folder / "out") == list(range(100))
    assert len(shown) >= 2
    found = [re.fullmatch(ROWS, line) for line in shown]
    assert all(found), shown
    rows = [int(match[2]) for match in found]
    assert rows == sorted(rows) and 0 < rows[-1] <= 100
    percents = [int(match[3]) for match in found if match[3] is not None]  # none before the first bytes
    assert percents == sorted(percents) and 0 < percents[0] < percents[-1] <= 100
    assert rest.startswith("t: 100 rows in 1 files")  # the closing summary stands where the line was
    assert rest.endswith("\r\n") and rest.count("\n") == 1


@pytest.mark.parametrize("name", ["one.jsonl", "one.jsonl.gz"])
def test_the_percents_are_those_of_the_rows_however_far_the_file_was_read_ahead(sluice, name):
    ndjson(sluice.folder / "in" / name, range(100))
    shown, _ = frames(run(sluice, terminal=True))
    found = [(int(match[2]), int(match[3])) for match in (re.fullmatch(ROWS, line) for line in shown) if match[3] is not None]
    assert any(rows < 100 for rows, _ in found)
    for rows, percent in found:
        assert abs(percent - rows) <= 3, found


def test_several_streams_share_the_line(sluice):
    ndjson(sluice.folder / "in/1.jsonl", range(100))
    limited = "file('in/', watch := true, poll_interval := '50ms', rate_limit := '100 rows/s')"
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sluice.binary, "run", "-e", f"CREATE STREAM a AS SELECT id FROM {limited} INSERT INTO file('a/');"
                                     f"CREATE STREAM b AS SELECT id FROM {limited} INSERT INTO file('b/');"],
        cwd=sluice.folder, stderr=writer, env={**os.environ, "SLUICE_STATE": f"sqlite:{sluice.folder}/state.db"})
    os.close(writer)
    said, stopped = b"", False
    with open(reader, "rb", buffering=0) as stream:
        for more in reading_all(stream):
            said += more
            if not stopped and len(re.findall(rb"[ab]: 100 rows", said.rpartition(b"\r\x1b[K")[2])) == 2:
                process.terminate()
                stopped = True
    assert process.wait(30) == 0, said
    shown, rest = frames(said.decode())
    both = [re.fullmatch(f"{ROWS}(?:  \\|  {ROWS})?", line) for line in shown]
    assert all(both), shown
    assert {match[1] for match in both if match[4] is not None} | {match[4] for match in both if match[4]} == {"a", "b"}
    assert sorted(line.split(":")[0] for line in rest.splitlines()) == ["a", "b"]


def test_elsewhere_nothing_is_rewritten(sluice, ten_files):
    said = run(sluice, terminal=False)
    assert "\r" not in said and "\x1b" not in said
    assert said.startswith("t: 100 rows in 1 files") and said.count("\n") == 1


def test_quiet_shows_nothing_on_a_terminal_either(sluice, ten_files):
    assert run(sluice, "--quiet", terminal=True) == ""
