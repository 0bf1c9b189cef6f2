"""The commands, their exit codes and what they say."""
import json
import re
import signal
import subprocess

import pytest
from delivered import ids, ndjson

COMMANDS = "run check explain preview cp schema connectors status reset drop dead-letters serve completion reference".split()


def test_version_is_one_line(sluice):
    assert sluice("--version").stdout.startswith("sluice ")


def test_no_command_shows_the_help_and_is_a_usage_error(sluice):
    result = sluice(check=False)
    assert result.returncode == 2
    assert "usage: sluice COMMAND" in result.stderr


def test_help_lists_every_command(sluice):
    text = sluice("--help").stdout
    listed = text.split("commands:\n")[1].split("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == COMMANDS  # so that the tests here leave none out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(sluice, command):
    text = sluice(command, "--help").stdout
    assert text.startswith(f"usage: sluice {command}")
    assert "--state" in text


@pytest.mark.parametrize(
    "arguments, answer",
    [
        (["rnu"], "unknown command 'rnu'; did you mean 'run'?"),
        (["conectors"], "did you mean 'connectors'?"),
        (["run", "--memroy", "1GB", "-e", "SELECT 1"], "unknown flag '--memroy'; did you mean '--memory'?"),
        (["run", "--outptu=csv", "-e", "SELECT 1"], "did you mean '--output'?"),
        (["run", "--output", "xml", "-e", "SELECT 1"], "table, json, csv"),
        (["run", "--memory", "lots", "-e", "SELECT 1"], "lots"),
        (["run", "--memory"], "--memory needs a value"),
        (["run"], "give SQL files or -e SQL"),
        (["run", "a.sql", "-e", "SELECT 1"], "one of the two"),
        (["run", "--var", "NOVALUE", "-e", "SELECT 1"], "--var is NAME=VALUE"),
        (["cp", "only-one"], "usage: sluice cp SRC DST"),
        (["reset"], "usage: sluice reset"),
        (["preview", "--limit", "-1", "-e", "SELECT 1"], "limit"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_sentence(sluice, arguments, answer):
    assert answer in sluice.fails(*arguments, code=2)


def test_a_failing_statement_is_exit_code_1(sluice):
    assert "missing.csv does not exist" in sluice.fails("run", "-e", "SELECT * FROM file('missing.csv')")


def test_a_missing_sql_file_is_named(sluice):
    assert "'nothing.sql'" in sluice.fails("run", "nothing.sql")


def test_run_takes_several_files_in_order(sluice):
    ndjson(sluice.folder / "a.jsonl", [1, 2])
    (sluice.folder / "one.sql").write_text("CREATE TABLE one AS SELECT id FROM file('a.jsonl') INSERT INTO file('out/');")
    (sluice.folder / "two.sql").write_text("SELECT count(*) AS n FROM file('out/')")
    assert sluice("run", "--output", "json", "one.sql", "two.sql").stdout == '{"n":2}\n'


def test_errors_of_a_file_name_it_with_line_and_column(sluice):
    (sluice.folder / "bad.sql").write_text("-- a comment\nSELECT *\nFROM fiel('a.csv')\n")
    assert sluice.fails("run", "bad.sql").startswith("error: bad.sql:3:6: ")


def test_a_bare_select_prints_a_table_json_or_csv(sluice):
    sql = "SELECT 1 AS id, 'x' AS name, NULL AS nothing, {'k': [1, 2]} AS nested"
    table = sluice("run", "-e", sql).stdout
    assert table.splitlines()[0].split() == ["id", "│", "name", "│", "nothing", "│", "nested"]
    assert "{k: [1, 2]}" in table
    assert json.loads(sluice("run", "--output", "json", "-e", sql).stdout) == {
        "id": 1, "name": "x", "nothing": None, "nested": {"k": [1, 2]}}
    assert sluice("run", "--output", "csv", "-e", sql).stdout == 'id,name,nothing,nested\n1,x,,"{""k"":[1,2]}"\n'


def test_an_empty_result_still_has_its_columns(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    sql = "SELECT id FROM file('a.jsonl') WHERE id > 5"
    assert sluice("run", "--output", "csv", "-e", sql).stdout == "id\n"
    assert sluice("run", "-e", sql).stdout.splitlines()[0] == "id"


def test_the_summary_goes_to_stderr_and_quiet_leaves_it_out(sluice):
    ndjson(sluice.folder / "a.jsonl", range(1234))
    result = sluice.sql("CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('out/')")
    assert result.stdout == ""
    assert "t: 1,234 rows" in result.stderr and "exactly-once" in result.stderr
    assert sluice("run", "--quiet", "-e", "INSERT INTO file('b.jsonl') SELECT 1 AS id").stderr == ""


def test_check_says_the_guarantee_and_moves_nothing(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1])
    text = sluice("check", "-e", "CREATE STREAM s AS SELECT id FROM file('in/', watch := true) INSERT INTO file('out/')").stdout
    assert "delivery: exactly-once" in text
    assert not (sluice.folder / "out").exists()
    assert not (sluice.folder / "state.db").exists()


def test_check_fails_for_each_statement_that_would(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    result = sluice("check", "-e", "SELECT nme FROM file('a.jsonl'); SELECT id FROM file('a.jsonl'); SELECT * FROM file('b.jsonl')", check=False)
    assert result.returncode == 1
    assert result.stderr.count("error: ") == 2
    assert result.stdout.count(": ok") == 1


def test_check_finds_that_a_sink_cannot_be_written(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    (sluice.folder / "occupied").write_text("a file")
    message = sluice.fails("check", "-e", "CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('occupied/out/')")
    assert "occupied" in message


def test_explain_tells_what_is_pushed_down_and_what_is_not(sluice):
    ndjson(sluice.folder / "a.jsonl", [1, 2], name="x", more={"deep": 1})
    text = sluice("explain", "-e", "SELECT id FROM file('a.jsonl') WHERE name = 'x' AND id % 2 = 0").stdout
    assert "columns: id, name (only these are read)" in text
    assert "filter: name = 'x'" in text
    assert "result:\n    id BIGINT" in text


def test_preview_shows_a_few_rows_and_writes_nothing(sluice):
    ndjson(sluice.folder / "a.jsonl", range(100))
    (sluice.folder / "p.sql").write_text("CREATE TABLE t AS SELECT id FROM file('a.jsonl') WHERE id % 2 = 1 INSERT INTO file('out/')")
    shown = sluice("preview", "--limit", "3", "--output", "json", "p.sql").stdout
    assert [json.loads(line)["id"] for line in shown.splitlines()] == [1, 3, 5]
    assert not (sluice.folder / "out").exists()
    assert "t" not in sluice("status").stdout.split()


def test_preview_counts_over_all_rows(sluice):
    ndjson(sluice.folder / "a.jsonl", range(1000))
    sql = "CREATE TABLE t AS SELECT count(*) AS n FROM file('a.jsonl') INSERT INTO file('out/')"
    assert sluice("preview", "--output", "json", "-e", sql).stdout == '{"n":1000}\n'


def test_preview_of_a_stream_shows_what_is_there_now(sluice):
    ndjson(sluice.folder / "in/a.jsonl", [1, 2])
    sql = "CREATE STREAM s AS SELECT id FROM file('in/', watch := true) INSERT INTO file('out/')"
    assert sluice("preview", "--output", "csv", "-e", sql).stdout == "id\n1\n2\n"


def test_cp_changes_the_format_as_the_names_say(sluice):
    ndjson(sluice.folder / "a.jsonl.gz", range(10), name="ann")
    sluice("cp", "a.jsonl.gz", "b.parquet")
    sluice("cp", "b.parquet", "c.csv")
    assert (sluice.folder / "c.csv").read_text().splitlines()[:2] == ["id,name", "0,ann"]
    assert "c.csv exists already" in sluice.fails("cp", "b.parquet", "c.csv")
    sluice("cp", "--if-exists", "replace", "b.parquet", "c.csv")
    sluice("cp", "c.csv", "d/?format=json")
    assert ids(sluice.folder / "d") == list(range(10))


def test_schema_prints_names_and_types(sluice):
    (sluice.folder / "a.csv").write_text("id,when,price\n1,2024-01-01,1.5\n")
    assert sluice("schema", "a.csv").stdout == "id BIGINT\nwhen DATE\nprice DOUBLE\n"
    assert "does not exist" in sluice.fails("schema", "b.csv")


def test_connectors_lists_and_describes(sluice):
    assert "file " in sluice("connectors").stdout
    assert "| `partition_by` |" in sluice("connectors", "file").stdout
    assert "did you mean 'file'" in sluice.fails("connectors", "fiel")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(sluice, shell):
    script = sluice("completion", shell).stdout
    assert all(command in script for command in COMMANDS)


def test_bash_accepts_its_completion_script(sluice):
    script = sluice("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    completed = subprocess.run(
        ["bash", "-c", script + "\nCOMP_WORDS=(sluice conn); COMP_CWORD=1; "
         "f=$(complete -p sluice | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f sluice conn sluice; echo ${COMPREPLY[@]}"],
        capture_output=True, text=True)
    assert completed.stdout.split() == ["connectors"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_logs_are_lines_with_fields(sluice, form):
    ndjson(sluice.folder / "a.jsonl", [1])
    sql = "CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('out/')"
    assert sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": "commit.decided"}).returncode == -signal.SIGKILL
    said = sluice("run", "--quiet", "--log-level", "info", "--log-format", form, "-e", sql).stderr.splitlines()
    message = "completing an epoch that the previous run had decided"
    if form == "json":
        [line] = [line for line in map(json.loads, said) if line["message"] == message]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line.pop("time"))
        assert line == {"level": "info", "message": message, "pipeline": "t", "epoch": 1}
    else:
        [line] = [line for line in said if message in line]
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT[\d:.]+Z info  {message} pipeline=t epoch=1", line), line


def test_what_is_not_asked_for_is_not_logged(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    sql = "CREATE TABLE t AS SELECT id FROM file('a.jsonl') INSERT INTO file('out/')"
    sluice.sql(sql, check=False, env={"SLUICE_CRASH_AT": "commit.decided"})
    assert sluice("run", "--quiet", "-e", sql).stderr == ""
    assert ids(sluice.folder / "out") == [1]


@pytest.mark.parametrize("arguments", [
    ["serve", "--port", "abc"], ["serve", "--port", "99999"], ["dead-letters", "lst", "t"], ["dead-letters", "list", "t", "x"],
    ["completion", "x"],
], ids=" ".join)
def test_mistakes_in_the_command_line_exit_with_2(sluice, arguments):
    assert sluice.fails(*arguments, code=2)
