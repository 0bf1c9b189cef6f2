"""A pipeline is its name: what resumes, what is new, what is refused, and where that is kept."""
import contextlib
import json
import shutil
import signal
import sqlite3

import pytest
from delivered import files, ids, leftovers, ndjson

STREAM = "CREATE STREAM s WITH (epoch_age := '100ms') AS SELECT id FROM file('in/', watch := true, poll_interval := '100ms') INSERT INTO file('out/')"
TABLE = "CREATE TABLE t AS SELECT id FROM file('in/*.jsonl') INSERT INTO file('out/')"


def status(sluice, name):
    return json.loads(sluice("status", name, "--output", "json").stdout)


def test_a_table_run_again_delivers_only_new_files(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sluice.sql(TABLE)
    assert "nothing new" in sluice.sql(TABLE).stderr
    assert len(files(sluice.folder / "out")) == 1
    ndjson(sluice.folder / "in/b.jsonl", [3])
    assert "t: 1 rows" in sluice.sql(TABLE).stderr
    assert ids(sluice.folder / "out") == [1, 2, 3]


def test_a_table_delivers_what_was_appended_to_a_file(sluice):
    path = ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sluice.sql(TABLE)
    with open(path, "a") as file:
        file.write('{"id": 3}\n')
    sluice.sql(TABLE)
    assert ids(sluice.folder / "out") == [1, 2, 3]


def test_a_stream_goes_on_where_it_was_stopped(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1, 2], "the first rows")
    assert "stopped on request" in stream.stop()
    assert status(sluice, "s")["state"] == "stopped"
    ndjson(sluice.folder / "in/b.jsonl", [3])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: len(ids(sluice.folder / "out")) >= 3, "the rows after the restart")
    stream.stop()
    assert ids(sluice.folder / "out") == [1, 2, 3]


def test_changed_sql_is_refused_with_the_difference(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    changed = TABLE.replace("SELECT id", "SELECT id + 1 AS id")
    for _ in range(2):
        result = sluice.sql(changed, check=False)
        assert result.returncode == 1
        assert "'t' was defined differently before" in result.stderr
        assert "\n  - CREATE TABLE t SELECT id FROM" in result.stderr
        assert "\n  + CREATE TABLE t SELECT id + 1 AS id FROM" in result.stderr
    assert ids(sluice.folder / "out") == [1]
    sluice.sql(TABLE)


def test_or_replace_keeps_positions_where_the_source_is_the_same(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    ndjson(sluice.folder / "in/b.jsonl", [2])
    sluice.sql(TABLE.replace("CREATE", "CREATE OR REPLACE").replace("SELECT id", "SELECT id * 10 AS id"))
    assert ids(sluice.folder / "out") == [1, 20]


def test_or_replace_starts_over_where_the_source_is_another(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    ndjson(sluice.folder / "other/a.jsonl", [5])
    sluice.sql(TABLE.replace("CREATE", "CREATE OR REPLACE").replace("in/*", "other/*"))
    assert ids(sluice.folder / "out") == [1, 5]


def test_blanks_comments_and_keyword_case_change_nothing(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    again = TABLE.replace("SELECT", "-- everything\n  select").replace(" FROM", "\n from").replace("CREATE TABLE", "create table")
    assert "nothing new" in sluice.sql(again).stderr


def test_reset_delivers_everything_again(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    assert "starts at earliest" in sluice("reset", "t").stdout
    sluice.sql(TABLE)
    assert ids(sluice.folder / "out") == [1, 1]


def test_reset_to_latest_skips_what_is_there(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    ndjson(sluice.folder / "in/b.jsonl", [2])
    sluice("reset", "t", "--to", "latest")
    ndjson(sluice.folder / "in/c.jsonl", [3])
    sluice.sql(TABLE)
    assert ids(sluice.folder / "out") == [1, 3]


def test_after_reset_changed_sql_is_accepted(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    sluice("reset", "t")
    sluice.sql(TABLE.replace("SELECT id", "SELECT id + 100 AS id"))
    assert ids(sluice.folder / "out") == [1, 101]


def test_reset_of_a_target_that_keeps_positions_resets_it_there(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sql = "CREATE TABLE t AS SELECT id FROM file('in/*.jsonl') INSERT INTO sqlite('out.db', table := 'rows')"
    sluice.sql(sql)
    assert "nothing new" in sluice.sql(sql).stderr
    sluice("reset", "t")
    sluice.sql(sql)
    with sqlite3.connect(sluice.folder / "out.db") as database:
        assert database.execute("SELECT id FROM rows").fetchall() == [(1,), (1,)]


def test_drop_forgets_and_leaves_the_data(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    assert "dropped" in sluice("drop", "t").stdout
    assert "there is no pipeline 't'" in sluice.fails("status", "t")
    assert ids(sluice.folder / "out") == [1]
    sluice.sql(TABLE)
    assert ids(sluice.folder / "out") == [1, 1]


@pytest.mark.parametrize("point", ["commit.prepared", "commit.decided"])
def test_drop_removes_what_a_killed_run_left_hidden(sluice, point):
    (sluice.folder / "in.jsonl").write_text('{"id": 1}\n{oops\n')
    sql = "CREATE TABLE t WITH (dead_letters := 'dead/?format=json') AS SELECT id FROM file('in.jsonl', columns := 'id BIGINT') INSERT INTO file('out/')"
    killed = sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": point})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert leftovers(sluice.folder / "out") != [] and leftovers(sluice.folder / "dead") != []
    sluice("drop", "t")
    assert leftovers(sluice.folder / "out") == [] and leftovers(sluice.folder / "dead") == []
    assert files(sluice.folder / "out") == []


def test_drop_removes_what_a_killed_run_left_in_a_bucket(sluice, gateway_bucket):
    (sluice.folder / "in.jsonl").write_text("".join(json.dumps({"id": i, "pad": "x" * 30_000}) + "\n" for i in range(300)))
    (sluice.folder / "small.jsonl").write_text('{"id": 300, "pad": ""}\n')
    for name in ("in", "small"):
        sql = f"CREATE TABLE {name} AS SELECT id, pad FROM file('{name}.jsonl') INSERT INTO {gateway_bucket.at('out/')}"
        killed = sluice.sql(sql, check=False, env={**gateway_bucket.env, "SLUICE_CRASH_AT": "commit.prepared"})
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(gateway_bucket.uploads()) == 1
    assert len(files(sluice.folder / ".sluice/spool")) == 2
    sluice("drop", "in", env=gateway_bucket.env)
    assert gateway_bucket.uploads() == []
    sluice("drop", "small", env=gateway_bucket.env)
    assert files(sluice.folder / ".sluice/spool") == []
    assert gateway_bucket.keys() == []


def test_files_are_reset_to_their_begin_or_their_end_only(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    said = sluice.fails("reset", "t", "--to", "17")
    assert "files can be reset to 'earliest' or 'latest', not to '17'" in said
    assert "nothing new" in sluice.sql(TABLE).stderr


@pytest.mark.parametrize("command", ["status", "reset", "drop"])
def test_an_unknown_pipeline_is_named(sluice, command):
    assert "there is no pipeline 'nobody'" in sluice.fails(command, "nobody")


def test_an_unnamed_insert_is_one_off(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    sql = "INSERT INTO file('out/') SELECT id FROM file('a.jsonl')"
    sluice.sql(sql)
    assert "no pipelines" in sluice("status").stdout
    for _ in range(2):  # the second refusal is no resumption of the first
        assert "is not empty" in sluice.fails("run", "-e", sql)
    sluice.sql(sql.replace("'out/'", "'out/', if_exists := 'append'"))
    assert ids(sluice.folder / "out") == [1, 1]
    sluice.sql(sql.replace("'out/'", "'out/', if_exists := 'replace'"))
    assert ids(sluice.folder / "out") == [1]


def test_replace_that_failed_first_still_replaces(sluice):
    ndjson(sluice.folder / "out/old.jsonl", [9])
    sql = "INSERT INTO file('out/', if_exists := 'replace') SELECT id FROM file('a.jsonl', columns := 'id BIGINT')"
    (sluice.folder / "a.jsonl").write_text('{"id": 1}\n{"id": oops}\n')
    assert "a.jsonl:2" in sluice.fails("run", "-e", sql)
    assert ids(sluice.folder / "out") == [9]
    ndjson(sluice.folder / "a.jsonl", [1, 2])
    sluice.sql(sql)
    assert ids(sluice.folder / "out") == [1, 2]


def test_an_unnamed_insert_appends_to_a_table_by_default(sluice):
    sql = "INSERT INTO sqlite('out.db', table := 'rows') SELECT 1 AS id"
    sluice.sql(sql)
    sluice.sql(sql)
    with sqlite3.connect(sluice.folder / "out.db") as database:
        assert database.execute("SELECT count(*) FROM rows").fetchone() == (2,)


def test_a_second_process_of_one_pipeline_is_refused_and_told_who_has_it(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1], "the first row")
    message = sluice.fails("run", "-e", STREAM)
    assert "'s'" in message and f":{stream.process.pid}:" in message
    assert f":{stream.process.pid}:" in sluice.fails("drop", "s")
    assert status(sluice, "s")["state"] == "running"
    stream.stop()


def test_the_lease_of_a_killed_process_is_free_at_once(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1], "the first row")
    stream.process.kill()
    stream.end()
    ndjson(sluice.folder / "in/b.jsonl", [2])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1, 2], "the second row")
    stream.stop()


def test_the_state_can_be_copied_while_in_use(sluice, start):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    stream = start("run", "-e", STREAM)
    stream.waits_until(lambda: ids(sluice.folder / "out") == [1] and status(sluice, "s")["rows"] == 1, "the first row")
    source, copy = sqlite3.connect(sluice.folder / "state.db"), sqlite3.connect(sluice.folder / "copy.db")
    source.backup(copy)
    source.close(), copy.close()
    stream.stop()
    shutil.rmtree(sluice.folder / "out")
    other = json.loads(sluice("status", "s", "--state", f"sqlite:{sluice.folder}/copy.db", "--output", "json").stdout)
    assert other["rows"] == 1
    stream = start("run", "--state", f"sqlite:{sluice.folder}/copy.db", "-e", STREAM)
    ndjson(sluice.folder / "in/b.jsonl", [2])
    stream.waits_until(lambda: ids(sluice.folder / "out") == [2], "only what is new")
    stream.stop()


def test_the_state_is_where_the_flag_the_environment_or_the_folder_says(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE, env={"SLUICE_STATE": ""})
    assert (sluice.folder / ".sluice/state.db").exists()
    sluice("run", "--state", "sqlite:elsewhere/s.db", "-e", TABLE)
    assert (sluice.folder / "elsewhere/s.db").exists()
    assert ids(sluice.folder / "out") == [1, 1]
    assert "use sqlite:PATH or postgresql://" in sluice.fails("run", "--state", "mysql://x", "-e", TABLE)


def test_a_state_file_that_is_none_is_refused_and_left_alone(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    (sluice.folder / "notes.txt").write_text("my notes, no database at all\n" * 40)
    assert "notes.txt" in sluice.fails("run", "--state", "sqlite:notes.txt", "-e", TABLE)
    assert (sluice.folder / "notes.txt").read_text().startswith("my notes")


def test_status_shows_all_pipelines(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sluice.sql(TABLE)
    sluice.sql(TABLE.replace("TABLE t", "TABLE u").replace("out/", "out2/"))
    text = sluice("status").stdout
    assert [line.split()[0] for line in text.splitlines()] == ["t", "u"]
    assert all("finished" in line and "2 rows" in line for line in text.splitlines())
    everything = json.loads(sluice("status", "--output", "json").stdout)
    assert [one["rows"] for one in everything] == [2, 2]


def test_a_failed_pipeline_says_so_in_status(sluice):
    (sluice.folder / "in").mkdir()
    (sluice.folder / "in/a.jsonl").write_text('{"id": 1}\n{"id": \n')
    sluice.sql(TABLE, check=False)
    assert status(sluice, "t")["state"] == "failed"
    assert "a.jsonl:2" in status(sluice, "t")["error"]
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sluice.sql(TABLE)
    assert status(sluice, "t")["state"] == "finished"
    assert ids(sluice.folder / "out") == [1, 2]


def test_replacing_the_source_begins_anew_also_where_the_target_keeps_the_positions(sluice):
    """An SQLite sink's positions win over the state store's: both have to be forgotten, or nothing is read again."""
    (sluice.folder / "a.jsonl").write_text('{"id": 1}\n')
    table = "{} TABLE t AS SELECT id FROM file('{}') INSERT INTO sqlite('out.db?table=rows')"
    sluice.sql(table.format("CREATE", "*.jsonl"))
    sluice.sql(table.format("CREATE OR REPLACE", "a.jsonl"))
    with sqlite3.connect(sluice.folder / "out.db") as connection:
        assert connection.execute("select id from rows").fetchall() == [(1,), (1,)]


def test_a_dead_source_does_not_keep_the_target_from_being_cleaned_up(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sql = "CREATE TABLE t AS SELECT id FROM file('in/*.jsonl') INSERT INTO sqlite('out.db?table=rows')"
    sluice.sql(sql)
    with contextlib.closing(sqlite3.connect(sluice.folder / "state.db")) as state:
        state.execute("UPDATE pipeline SET source = 'postgresql://nobody@127.0.0.1:1/x?table=t&cdc=true&connect_timeout=1s'")
        state.commit()
    assert "--force" in sluice.fails("drop", "t")
    with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
        assert out.execute("SELECT count(*) FROM sluice_positions").fetchone() == (1,)
    dropped = sluice("drop", "t", "--force")
    assert "warning: " in dropped.stderr and "127.0.0.1" in dropped.stderr
    sluice.sql(sql)
    with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
        assert out.execute("SELECT count(*) FROM rows").fetchone() == (4,), "a pipeline that was dropped begins anew"


@pytest.mark.parametrize("other", ["sqlite('out.db?table=rows')", "file('other/')"])
def test_another_target_waits_for_what_is_decided_in_the_former_one(sluice, other):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    killed = sluice.sql(TABLE, check=False, env={"SLUICE_CRASH_AT": "commit.decided"})
    assert killed.returncode == -signal.SIGKILL
    moved = TABLE.replace("CREATE", "CREATE OR REPLACE").replace("file('out/')", other)
    for _ in range(2):
        error = sluice.fails("run", "-e", moved)
        assert "an epoch of 't' is decided and not yet in file://" in error and "out/" in error
    sluice.sql(TABLE)
    assert ids(sluice.folder / "out") == [1, 2]
    ndjson(sluice.folder / "in/b.jsonl", [3])
    sluice.sql(moved)
    assert ids(sluice.folder / "out") == [1, 2]
    if "file" in other:
        assert ids(sluice.folder / "other") == [3]


@pytest.mark.parametrize("sink", ["sqlite('out.db?table=rows')", "file('out/')"])
def test_reset_and_drop_reach_the_target_from_another_folder(sluice, sink):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sql = f"CREATE TABLE t AS SELECT id FROM file('in/*.jsonl') INSERT INTO {sink}"
    elsewhere = type(sluice)(sluice.folder / "elsewhere")
    elsewhere.folder.mkdir()
    same_store = {"SLUICE_STATE": f"sqlite:{sluice.folder}/state.db"}

    def seen():
        if sink.startswith("file"):
            return len(ids(sluice.folder / "out"))
        with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
            return out.execute("SELECT count(*) FROM rows").fetchone()[0]

    sluice.sql(sql)
    for count, command in enumerate(["reset", "drop"], 2):
        elsewhere(command, "t", env=same_store)
        sluice.sql(sql)
        assert seen() == 2 * count
    assert list(elsewhere.folder.iterdir()) == []
    # A record of an older version has what was written.
    with contextlib.closing(sqlite3.connect(sluice.folder / "state.db")) as state:
        state.execute("UPDATE pipeline SET sink = replace(sink, ?, '')", (f"{sluice.folder}/",))
        state.commit()
    assert str(sluice.folder) not in status(sluice, "t")["sink"]
    assert "nothing new" in sluice.sql(sql).stderr
    assert str(sluice.folder) in status(sluice, "t")["sink"]


def test_reset_makes_no_target(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sql = "CREATE TABLE t AS SELECT id FROM file('in/*.jsonl') INSERT INTO sqlite('out.db?table=rows')"
    sluice.sql(sql)
    (sluice.folder / "out.db").unlink()
    assert "no such file" in sluice.fails("reset", "t", "--to", "latest")
    sluice("reset", "t")
    assert not (sluice.folder / "out.db").exists()
    sluice.sql(sql)
    with contextlib.closing(sqlite3.connect(sluice.folder / "out.db")) as out:
        assert out.execute("SELECT id FROM rows").fetchall() == [(1,)]


def test_reset_to_latest_from_another_folder_does_not_say_that_it_did(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    sluice.sql(TABLE)
    elsewhere = type(sluice)(sluice.folder / "elsewhere")
    elsewhere.folder.mkdir()
    before = status(sluice, "t")["positions"]
    error = elsewhere.fails("reset", "t", "--to", "latest", env={"SLUICE_STATE": f"sqlite:{sluice.folder}/state.db"})
    assert "in the folder that it runs in" in error
    assert status(sluice, "t")["positions"] == before


def test_another_user_and_another_way_to_connect_are_no_other_source(sluice, postgres):
    role = f"{postgres.name}_reader"
    postgres.execute("CREATE TABLE t AS SELECT 1 AS id")
    postgres.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'other'")
    sql = "CREATE OR REPLACE TABLE t AS SELECT id FROM {} INSERT INTO file('out/')"
    try:
        sluice.sql(sql.format(postgres.at("t")))
        as_reader = postgres.at("t", more="ssl_mode := 'disable', connect_timeout := '5s'").replace(
            postgres.location().split("@")[0], f"{role}:other")
        assert "nothing new" in sluice.sql(sql.format(as_reader)).stderr
        assert ids(sluice.folder / "out") == [1]
        postgres.execute("CREATE TABLE u AS SELECT 2 AS id")
        sluice.sql(sql.format(as_reader.replace("table=t", "table=u")))
        assert ids(sluice.folder / "out") == [1, 2]
    finally:
        postgres.execute(f"DROP ROLE {role}")
