"""What one run does with several statements: tables one after the other, then all streams together."""
import time

from delivered import append, files, ids, leftovers, ndjson

FOLLOW = "CREATE STREAM {name} WITH (epoch_age := '{age}') AS SELECT id::TINYINT AS id FROM file('{name}/', watch := true, poll_interval := '50ms') INSERT INTO file('out-{name}/');\n"


def test_tables_come_first_wherever_they_stand_and_streams_follow(sluice, start):
    ndjson(sluice.folder / "s/a.jsonl", [1])
    ndjson(sluice.folder / "in.jsonl", range(80))
    table = "CREATE TABLE t AS SELECT id FROM file('in.jsonl', rate_limit := '100 rows/s') INSERT INTO file('out-t/');"
    run = start("run", "-e", FOLLOW.format(name="s", age="20ms") + table)
    early = []
    while not files(sluice.folder / "out-t"):
        assert run.process.poll() is None, run.end()
        early += files(sluice.folder / "out-s")
        time.sleep(0.01)
    run.waits_until(lambda: ids(sluice.folder / "out-s") == [1], "the stream's row")
    assert early == []
    assert ids(sluice.folder / "out-t") == list(range(80))
    run.stop()


def test_when_a_stream_fails_the_others_commit_what_they_have_read(sluice, start):
    ndjson(sluice.folder / "good/a.jsonl", range(10))
    ndjson(sluice.folder / "bad/a.jsonl", [1])
    run = start("run", "-e", FOLLOW.format(name="good", age="1h") + FOLLOW.format(name="bad", age="20ms"))
    run.waits_until(lambda: leftovers(sluice.folder / "out-good") != [], "a file that is begun")
    run.waits_until(lambda: ids(sluice.folder / "out-bad") == [1], "the row of the stream that is to fail")
    assert ids(sluice.folder / "out-good") == []
    append(sluice.folder / "bad/a.jsonl", '{"id": 1000}\n')
    code, stderr = run.end()
    assert code == 1
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "1000" in errors[0], stderr
    assert ids(sluice.folder / "out-good") == list(range(10))
    assert leftovers(sluice.folder / "out-good") == []
