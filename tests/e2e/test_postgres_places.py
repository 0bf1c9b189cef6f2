"""Where libpq finds what a location leaves out: the service file, the passfile and the PG* variables."""
import json

import pytest
from postgres_changes import wait_until

from services.postgres import PASSWORD, USER

HOW = ["variables", "service", "service and passfile"]


def places(how, database, folder):
    """The environment."""
    host = {"host": "127.0.0.1", "port": database.server.port, "dbname": database.name, "user": USER}
    if how == "variables":
        return {"PGHOST": "127.0.0.1", "PGPORT": str(database.server.port), "PGDATABASE": database.name, "PGUSER": USER,
                "PGPASSWORD": PASSWORD}
    env = {"PGSERVICEFILE": str(folder / "services.conf"), "PGSERVICE": "shop"}
    if how == "service":
        host["password"] = PASSWORD
    else:
        passfile = folder / "passfile"
        passfile.write_text(f"127.0.0.1:*:{database.name}:{USER}:{PASSWORD}\n")
        passfile.chmod(0o600)
        env["PGPASSFILE"] = str(passfile)
    lines = "".join(f"{keyword}={value}\n" for keyword, value in host.items())
    (folder / "services.conf").write_text(f"[other]\nhost=192.0.2.1\n[shop]\n{lines}")
    return env


@pytest.mark.parametrize("how", HOW)
def test_what_a_location_leaves_out_comes_from_where_libpq_looks(sluice, postgres, how):
    """A source, a sink, a change stream and the commands that know a pipeline from the state store only."""
    env = places(how, postgres, sluice.folder)
    postgres.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    postgres.execute("INSERT INTO t VALUES (1, 'one')")
    assert "one" in sluice.sql("SELECT * FROM postgresql('postgresql://?table=t');", env=env).stdout
    sluice.sql("INSERT INTO postgresql('postgresql://?table=copy') SELECT * FROM postgresql('postgresql://?table=t');", env=env)
    assert postgres.rows("SELECT * FROM copy") == [(1, "one")]
    process = sluice.start("run", "-e", "CREATE STREAM s WITH (epoch_age := '100ms') AS SELECT * FROM postgresql('postgresql://?table=t', "
                           "cdc := true) INSERT INTO postgresql('postgresql://?table=replica', key := 'id');", env=env)
    try:
        replica = "SELECT count(*) FROM pg_tables WHERE tablename = 'replica'"
        wait_until(lambda: postgres.value(replica) and postgres.rows("SELECT * FROM replica") == [(1, "one")], running=process)
        postgres.execute("INSERT INTO t VALUES (2, 'two')")
        wait_until(lambda: postgres.rows("SELECT * FROM replica ORDER BY id") == [(1, "one"), (2, "two")], running=process)
        assert json.loads(sluice("status", "s", "--output", "json", env=env).stdout)["lag"]["bytes"] >= 0
    finally:
        process.terminate()
        assert process.wait(30) == 0
    sluice("drop", "s", env=env)
    assert postgres.rows("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []


def test_a_service_that_is_not_there_is_named(sluice, postgres):
    env = {**places("service", postgres, sluice.folder), "PGSERVICE": "shp"}
    assert 'definition of service "shp" not found' in sluice.fails(
        "run", "-e", "INSERT INTO file('out.jsonl') SELECT * FROM postgresql('postgresql://?table=t');", env=env)


def test_the_service_can_be_named_in_the_location(sluice, postgres):
    env = places("service", postgres, sluice.folder)
    del env["PGSERVICE"]
    postgres.execute("CREATE TABLE t AS SELECT 1 AS id, 'one' AS v")
    assert "one" in sluice.sql("SELECT * FROM postgresql('postgresql://?table=t&service=shop');", env=env).stdout
    sluice.sql("INSERT INTO postgresql('postgresql://?table=copy', service := 'shop') SELECT * FROM postgresql('postgresql://?table=t', service := "
               "'shop');", env=env)
    assert postgres.rows("SELECT * FROM copy") == [(1, "one")]
