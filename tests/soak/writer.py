"""Writes logs as programs and logrotate do, until SIGTERM: writer.py FOLDER ROWS_PER_SECOND SEED COUNT_FILE.

Three logs grow by whole and by partial lines; they are rotated by renaming (.1, .2, .3), also while the program still
writes to the old file; what leaves .3 is renamed or compressed. Whole files appear beside them, in new folders, too.
Every row has a number of its own; COUNT_FILE says at the end how many there are: 0 … COUNT - 1.
"""
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time

LOGS = ("orders", "payments", "shop")
TICK_SECONDS = 0.05


class Rows:
    def __init__(self):
        self.count = 0

    def line(self):
        number = self.count
        self.count += 1
        text = hashlib.md5(str(number).encode()).hexdigest()
        return (json.dumps({"id": number, "part": "abc"[number % 3], "text": text}) + "\n").encode()


class GrowingLog:
    def __init__(self, folder, name, rows, chance):
        self.folder, self.name, self.rows, self.chance = folder, name, rows, chance
        self.archived = 0
        self.rest = b""  # of a line that was written in part
        self.file = open(self.path(), "ab", buffering=0)
        self.plan_rotation()

    def path(self, suffix=""):
        return self.folder / f"{self.name}.jsonl{suffix}"

    def plan_rotation(self):
        self.rotate_at = time.monotonic() + self.chance.uniform(2, 8)

    def append(self, count):
        text = self.rest + b"".join(self.rows.line() for _ in range(count))
        cut = len(text) - self.chance.randrange(60) if text and self.chance.random() < 0.3 else len(text)
        self.file.write(text[:cut])
        self.rest = text[cut:]

    def finish_line(self):
        self.file.write(self.rest)
        self.rest = b""

    def rotate(self):
        if self.path(".3").exists():
            self.archive(self.path(".3"))
        for old, new in ((".2", ".3"), (".1", ".2"), ("", ".1")):
            if self.path(old).exists():
                os.rename(self.path(old), self.path(new))
        if self.chance.random() < 0.5:
            self.append(self.chance.randrange(200))  # the program has not heard of the rotation yet
        self.finish_line()
        self.file.close()
        self.file = open(self.path(), "ab", buffering=0)
        self.plan_rotation()

    def archive(self, path):
        self.archived += 1
        target = self.folder / f"{self.name}-{self.archived:06}.jsonl"
        if self.chance.random() < 0.5:
            os.rename(path, target)
            return
        unfinished = self.folder / f".{self.name}.gz.tmp"
        with open(path, "rb") as plain, gzip.open(unfinished, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed)
        os.rename(unfinished, f"{target}.gz")
        path.unlink()


def write_whole_file(folder, rows, chance, number):
    place = folder / f"batch-{number // 10}" if chance.random() < 0.5 else folder
    place.mkdir(exist_ok=True)
    with open(place / f"batch-{number:06}.jsonl", "wb") as file:
        for _ in range(chance.choice((1, 10, 2000))):
            file.write(rows.line())
            if chance.random() < 0.01:
                file.flush()


def main(folder, rows_per_second, seed, count_file):
    folder, chance, rows = pathlib.Path(folder), random.Random(seed), Rows()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs = [GrowingLog(folder, name, rows, chance) for name in LOGS]
    whole_files, began = 0, time.monotonic()
    while not stopped:
        due = int((time.monotonic() - began) * int(rows_per_second)) - rows.count
        for log in logs:
            log.append(chance.randrange(max(1, 2 * max(0, due) // len(logs))))
            if time.monotonic() > log.rotate_at:
                log.rotate()
        if chance.random() < 0.01:
            whole_files += 1
            write_whole_file(folder, rows, chance, whole_files)
        time.sleep(TICK_SECONDS)
    for log in logs:
        log.finish_line()
    pathlib.Path(count_file).write_text(str(rows.count))


if __name__ == "__main__":
    main(*sys.argv[1:])
