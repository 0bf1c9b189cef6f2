"""How a run shows that it gets on: a line that is rewritten on a terminal, no more than plain lines elsewhere."""
import os
import pty
import re
import subprocess

from delivered import ids, ndjson

SQL = "CREATE TABLE t AS SELECT id FROM file('in/', rate_limit := '100 rows/s') INSERT INTO file('out/')"


def run(sluice, *flags, terminal):
    """What it writes to stderr, byte by byte."""
    for part in range(10):
        ndjson(sluice.folder / f"in/{part}.jsonl", range(part, 100, 10))
    reader, writer = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen([sluice.binary, "run", *flags, "-e", SQL], cwd=sluice.folder, stderr=writer,
                               env={**os.environ, "SLUICE_STATE": f"sqlite:{sluice.folder}/state.db"})
    os.close(writer)
    said = b""
    with open(reader, "rb", buffering=0) as stream:
        try:
            while more := stream.read(4096):
                said += more
        except OSError:  # how Linux says that nobody holds the terminal any more
            pass
    assert process.wait(30) == 0, said
    assert ids(sluice.folder / "out") == list(range(100))
    return said.decode()


def test_on_a_terminal_one_line_is_rewritten(sluice):
    said = run(sluice, terminal=True)
    *shown, rest = said.split("\r\x1b[K")
    assert shown.pop(0) == ""
    assert len(shown) >= 2
    pattern = r"t: (\d+) rows  [\d.]+ K?B  \d+ rows/s  [\d.]+ K?B/s(?:  (\d+)%(?:  \d+s left)?)?"
    found = [re.fullmatch(pattern, line) for line in shown]
    assert all(found), shown
    rows = [int(match[1]) for match in found]
    assert rows == sorted(rows) and 0 < rows[-1] <= 100
    percents = [int(match[2]) for match in found if match[2] is not None]  # none before the first bytes
    assert percents == sorted(percents) and 0 < percents[0] < percents[-1] <= 100
    assert rest.startswith("t: 100 rows in 1 files")  # the closing summary stands where the line was
    assert rest.endswith("\r\n") and rest.count("\n") == 1


def test_elsewhere_nothing_is_rewritten(sluice):
    said = run(sluice, terminal=False)
    assert "\r" not in said and "\x1b" not in said
    assert said.startswith("t: 100 rows in 1 files") and said.count("\n") == 1


def test_quiet_shows_nothing_on_a_terminal_either(sluice):
    assert run(sluice, "--quiet", terminal=True) == ""
