"""What the five key strategies are to make of a time, said once more in Python."""
import json

LAYOUTS = {
    "HivePartitioned": r"collection={c}/year={Y}/month={m}/day={d}/hour={H}/{ts}-{hash}\.jsonl",
    "DateHourPartitioned": r"{c}/{Y}/{m}/{d}/{H}/{ts}-{hash}\.jsonl",
    "DatePartitioned": r"{c}/{Y}/{m}/{d}/{ts}-{hash}\.jsonl",
    "CollectionBased": r"{c}/{ts}-{hash}\.jsonl",
    "Flat": r"{c}_{ts}-{hash}\.jsonl",
}
# Before 1970, around a year's end, an hour's end, another zone's midnight.
TIMES = ["1969-12-31T23:59:59.999Z", "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z", "2025-01-15T10:59:59.999Z",
         "2025-01-15T11:00:00Z", "2025-01-16T00:30:00+02:00"]


def pattern(strategy, at, collection="events", timestamp=r"\d{13}"):
    """The name of a file for rows of that time, as a regular expression."""
    parts = {name: f"{value:0{width}}" for name, value, width in
             (("Y", at.year, 4), ("m", at.month, 2), ("d", at.day, 2), ("H", at.hour, 2))}
    return LAYOUTS[strategy].format(c=collection, ts=timestamp, hash="[0-9a-f]{16}", **parts)


def folder_of(strategy, at):
    return pattern(strategy, at).rpartition("/")[0]


def write_times(folder, times=TIMES):
    with open(folder / "in.jsonl", "w") as out:
        for number, at in enumerate(times):
            out.write(json.dumps({"id": number, "seen": at}) + "\n")
