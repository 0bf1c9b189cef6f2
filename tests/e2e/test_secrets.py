"""Passwords and keys never reach the terminal, the log, the state store or the plan."""
import pytest
from delivered import ndjson

SECRET = "hunter2-TOP"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM postgresql('me:{SECRET}@localhost/shop?table=orders')",
        f"SELECT * FROM postgresql('localhost/shop?table=orders&password={SECRET}')",
        f"SELECT * FROM file('a.csv', password := '{SECRET}')",
        f"SELECT * FROM file('a.csv?secret_access_key={SECRET}')",
        f"SELECT * FROM s3('bucket/a.csv', secret_access_key := '{SECRET}')",
        f"CREATE TABLE t AS SELECT 1 AS a INSERT INTO file('ftp://me:{SECRET}@host/x/')",
        f"CREATE TABLE t AS SELECT 1 AS a INSERT INTO kafka('me:{SECRET}@host:9092/topic', sasl_password := '{SECRET}')",
    ],
)
@pytest.mark.parametrize("command", ["run", "check", "explain"])
def test_errors_never_repeat_a_secret(sluice, command, sql):
    result = sluice(command, *(["--log-level", "debug"]), "-e", sql, check=False)
    assert result.returncode == 1
    assert SECRET not in result.stdout + result.stderr


def test_a_secret_of_a_variable_or_the_environment_stays_secret(sluice):
    ndjson(sluice.folder / "a.jsonl", [1])
    result = sluice("run", "-e", "SELECT * FROM file('a.jsonl?token=${TOKEN}')", check=False, env={"TOKEN": SECRET})
    assert result.returncode == 1 and SECRET not in result.stderr
    result = sluice("run", "--var", f"TOKEN={SECRET}", "-e", "SELECT * FROM file('a.jsonl', token := '${TOKEN}')", check=False)
    assert result.returncode == 1 and SECRET not in result.stderr


@pytest.mark.parametrize("location", [f"s3://key:{SECRET}@bucket/x", f"postgresql://u:{SECRET}@h/db?table=t"])
@pytest.mark.parametrize("command", [["schema"], ["cp", "a.jsonl"]])
def test_commands_with_locations_never_repeat_a_secret(sluice, command, location):
    ndjson(sluice.folder / "a.jsonl", [1])
    result = sluice(*command, location, check=False)
    assert result.returncode == 1
    assert SECRET not in result.stdout + result.stderr
    state = sluice.folder / "state.db"
    assert not state.exists() or SECRET.encode() not in state.read_bytes()
