"""Lookup tables of a stream: loaded at the start, and again as often as is asked for."""
from delivered import append, ids, ndjson, rows

STREAM = ("CREATE STREAM s WITH (epoch_age := '20ms'{more}) AS SELECT o.id, c.name FROM file('in/', watch := true, "
          "poll_interval := '20ms') o LEFT JOIN file('names.csv') c ON o.k = c.id INSERT INTO file('out/')")


def begin(sluice, start, more):
    (sluice.folder / "names.csv").write_text("id,name\n0,old\n")
    ndjson(sluice.folder / "in/a.jsonl", [0], k=0)
    stream = start("run", "-e", STREAM.format(more=more))
    stream.waits_until(lambda: rows(sluice.folder / "out") == [{"id": 0, "name": "old"}], "the first row")
    (sluice.folder / "new.csv").write_text("id,name\n0,new\n1,odd\n")
    (sluice.folder / "new.csv").rename(sluice.folder / "names.csv")  # a load never sees half of it
    return stream


def names(sluice):
    return {row["id"]: row["name"] for row in rows(sluice.folder / "out")}


def test_a_lookup_table_is_loaded_again_as_often_as_is_asked_for(sluice, start):
    stream = begin(sluice, start, ", lookup_refresh := '300ms'")
    number = 0

    def is_new():
        nonlocal number
        number += 2
        append(sluice.folder / "in/a.jsonl", '{"id": %d, "k": 0}\n{"id": %d, "k": 1}\n' % (number, number + 1))
        return "new" in names(sluice).values()

    stream.waits_until(is_new, "a row with the new name")
    stream.stop()
    found = names(sluice)
    first = min(number for number, name in found.items() if name == "new")
    # From the first row on that saw the new table, every row does.
    assert {found[number] for number in found if number > first} | {"new"} == {"new", "odd"}


def test_without_being_asked_a_lookup_table_stays_as_it_was_loaded(sluice, start):
    stream = begin(sluice, start, "")
    append(sluice.folder / "in/a.jsonl", '{"id": 2, "k": 0}\n{"id": 3, "k": 1}\n')
    stream.waits_until(lambda: ids(sluice.folder / "out") == [0, 2, 3], "the rows that came later")
    stream.stop()
    assert names(sluice) == {0: "old", 2: "old", 3: None}
