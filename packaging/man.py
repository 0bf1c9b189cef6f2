#!/usr/bin/env python3
"""Writes sluice.1 from what the program says about itself.

  man.py PROGRAM >sluice.1

Reads `sluice --help` and each command's --help: a usage line, paragraphs, `flags:` and `flags of every command:`.
The page's date comes from SOURCE_DATE_EPOCH.
"""
import datetime
import os
import re
import subprocess
import sys

ITEM = re.compile(r"^  (-?\S+(?: [A-Z]+(?:=[A-Z]+)?)?)\s{2,}(.*)$")
EXAMPLE = re.compile(r"^ {2,}\S")


def quote(text):
    """Text that troff prints as it is: no escapes, no requests, a minus that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def bold(text):
    return ".B " + quote(text).replace('"', "\\(dq")


def sections(text):
    """The lines of a help text by the heading above them; those before the first heading have ''."""
    found, heading = {"": []}, ""
    for line in text.splitlines():
        if re.fullmatch(r"[a-z][a-z ]*:", line):
            heading = line[:-1]
            found[heading] = []
        else:
            found[heading].append(line)
    return found


def items(lines):
    """A list: `  --flag VALUE   What it means.`"""
    for line in lines:
        item = ITEM.match(line)
        if item:
            yield item[1], item[2]


def paragraphs(lines):
    written = []
    for line in lines:
        if not line.strip():
            if written[-1:] != [".PP"]:
                written.append(".PP")
        elif EXAMPLE.match(line):
            written += [".nf", quote(line), ".fi"]
        else:
            written.append(quote(line))
    while written[-1:] == [".PP"]:
        written.pop()
    return written


def tagged(lines):
    return [line for name, meaning in items(lines) for line in (".TP", bold(name), quote(meaning))]


def command_section(run, name):
    said = sections(run(name, "--help"))
    usage, *about = said[""]
    return [
        f".SS {name}",
        *paragraphs([usage.removeprefix("usage: ")]),
        ".PP",
        *paragraphs(about[1:]),
        *tagged(said.get("flags", [])),
    ]


def page(run, day):
    said = sections(run("--help"))
    summary = said[""][0]
    version = run("--version").split()[1]
    commands = [name for name, _ in items(said["commands"])]
    assert commands, "sluice --help lists no commands"
    return [
        f'.TH SLUICE 1 "{day}" "sluice {version}" "User Commands"',
        ".SH NAME",
        "sluice \\- " + quote(summary.removeprefix("sluice ").rstrip(".")),
        ".SH SYNOPSIS",
        ".B sluice",
        quote("COMMAND [ARGUMENT …] [--flag VALUE …]"),
        ".SH COMMANDS",
        *[line for name in commands for line in command_section(run, name)],
        ".SH FLAGS OF EVERY COMMAND",
        *tagged(said["flags of every command"]),
        ".SH EXIT STATUS",
        "0 when all was delivered; 1 after an error, which is one line on standard error; 2 for a mistake in the command line.",
        ".SH FILES",
        *tagged([
            "  /etc/sluice/sluice.yaml  What the service sluice.service serves.",
            "  /etc/sluice/pipelines/  Its pipelines.",
            "  /etc/sluice/environment  NAME=VALUE lines, the service's environment; mode 0600 for secrets.",
            "  /var/lib/sluice/  The service's working directory and state store.",
            "  /usr/share/doc/sluice/  Guides, the reference and examples.",
        ]),
    ]


def main():
    program = sys.argv[1]

    def run(*arguments):
        return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout

    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    day = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).date().isoformat()
    print("\n".join(page(run, day)))


if __name__ == "__main__":
    main()
