"""Reads a Dockerfile: its stages, each a list of (instruction, rest of the line)."""
import re


def stages(text):
    found = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        instruction, rest = line.split(None, 1)
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, " ".join(rest.split())))
    return found


def commands(stage):
    """The shell commands of a stage's RUN instructions, with what each one mounts: [(command, {option: value})]."""
    found = []
    for instruction, rest in stage:
        if instruction == "RUN":
            mount = re.match(r"--mount=(\S+) (.*)", rest)
            options = dict(option.split("=", 1) for option in mount[1].split(",")) if mount else {}
            found.append((mount[2] if mount else rest, options))
    return found
