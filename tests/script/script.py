"""Runs one *.test script: blocks separated by blank lines, each beginning with a directive.

    # A sentence: what the script shows.

    file data/a.csv [gzip|zstd|snappy|lz4|bzip2] [latin1|utf16]    an input file; the lines below are its content
    make                                DuckDB runs the SQL below, to write inputs (COPY … TO 'data/x.parquet')
    statement ok                        sluice runs the SQL below
    statement error <regex>             … which fails with exit code 1 and one error, which the regex finds
    query                               … and prints, as CSV, what follows the line ----
    judge                               the same, asked of DuckDB: what was written, read by somebody else
    explain                             `sluice explain`: each line after ---- is a regex found in it; !regex is not
    text out/a.csv [gzip|…]             the lines of a file that was written
    flags --var X=1                     more flags of sluice for the next block
    env NAME=VALUE                      an environment variable for the next block

{{folder}} stands for the script's own folder, where everything runs.
"""
import csv
import io
import json
import pathlib
import re
import shlex

import duckdb
from codecs_of_others import compressed, decompressed


def blocks(text):
    """(line number, directive, lines below it)"""
    block, start = [], 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip() == "":
            if block:
                yield start, block[0], block[1:]
            block = []
        elif not block and line.startswith("#"):
            continue
        else:
            start = start if block else number
            block.append(line)


def cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), default=str)
    return str(value)


def rendered(columns, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return out.getvalue().replace('\n""\n', "\n\n").splitlines()


class Script:
    def __init__(self, sluice, text):
        self.sluice = sluice
        self.flags = []
        self.env = {}
        self.text = text.replace("{{folder}}", str(sluice.folder))
        self.duck = duckdb.connect()
        self.duck.execute(f"SET file_search_path = '{sluice.folder}'; SET threads = 1")

    def run(self):
        for number, directive, lines in blocks(self.text):
            word, _, rest = directive.partition(" ")
            try:
                self.step(word, rest, lines)
            except Exception as problem:
                problem.add_note(f"in the block at line {number}: {directive}")
                raise
            if word not in ("flags", "env"):
                self.flags, self.env = [], {}

    def step(self, word, rest, lines):
        if word == "flags":
            self.flags += shlex.split(rest)
        elif word == "env":
            name, _, value = rest.partition("=")
            self.env[name] = value
        elif word == "file":
            self.write_file(rest.split(), lines)
        elif word == "make":
            self.duck.execute(self.in_folder("\n".join(lines)))
        elif word == "statement":
            self.statement(rest, "\n".join(lines))
        elif word == "text":
            path, *codec = rest.split()
            data = (self.sluice.folder / path).read_bytes()
            text = decompressed(data, codec[0]) if codec else data
            assert text.decode().splitlines() == lines
        elif word in ("query", "judge", "explain"):
            assert "----" in lines, "the expected lines follow a line ----"
            at = lines.index("----")
            getattr(self, word)("\n".join(lines[:at]), lines[at + 1 :])
        else:
            raise AssertionError(f"unknown directive '{word}'")

    def in_folder(self, sql):
        """COPY … TO 'x' of DuckDB knows no search path."""
        def absolute(match):
            path = self.sluice.folder / match[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            return f"{match[1]} '{path}'"
        return re.sub(r"\b(TO) '([^']*)'", absolute, sql)

    def write_file(self, words, lines):
        path = self.sluice.folder / words[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(line + "\n" for line in lines)
        encodings = [word for word in words[1:] if word in ("latin1", "utf16")]
        data = data.encode(*encodings)
        for word in words[1:]:
            if word not in encodings:
                data = compressed(data, word)
        path.write_bytes(data)

    def statement(self, rest, sql):
        expected, _, pattern = rest.partition(" ")
        if expected == "ok":
            self.sluice("run", "-e", sql, *self.flags, env=self.env)
            return
        assert expected == "error", f"statement {expected}"
        message = self.sluice.fails("run", "-e", sql, *self.flags, env=self.env)
        assert re.search(pattern, message), f"{message!r} has no {pattern!r}"

    def query(self, sql, expected):
        result = self.sluice("run", "--quiet", "--output", "csv", "-e", sql, *self.flags, env=self.env)
        assert result.stdout.splitlines() == expected

    def judge(self, sql, expected):
        answer = self.duck.execute(sql)
        columns = [column[0] for column in answer.description]
        assert rendered(columns, answer.fetchall()) == expected

    def explain(self, sql, expected):
        text = self.sluice("explain", "-e", sql, *self.flags, env=self.env).stdout
        for pattern in expected:
            if pattern.startswith("!"):
                assert not re.search(pattern[1:], text), f"{pattern[1:]!r} is in\n{text}"
            else:
                assert re.search(pattern, text), f"no {pattern!r} in\n{text}"


def run_script(sluice, path: pathlib.Path):
    Script(sluice, path.read_text()).run()
