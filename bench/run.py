"""Runs Sluice and its peers side by side and prints one table: bench/run [--rows N] [--runs N] [--keep NAME] [NAME…].

Each workload's commands run in turn (A B A B …) after one warm-up, as whole processes; wall, user+system CPU and peak
memory come from the kernel's accounting of the process. With --keep the medians, ratios and single runs go to
bench/results/DATE-NAME.json; workloads that are measured again on that day take the place of what is there.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import time

import servers
from commands import DATA, ROOT
from inputs import compile_debezium, make_input
from measuring import measure
from workloads import workloads

PROGRAMS = ("sluice", "duckdb", "debezium", "pyarrow", "fastavro", "psql", "cat", "local", "alone", "transfer", "boto3", "python",
            "kcat")
UNITS = {"wall": "s wall", "cpu": "s CPU", "server": "s server CPU", "mb": "MB", "p50": "s p50", "p99": "s p99"}


def median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def own_verdicts(target, mine):
    """What Sluice alone has to reach."""
    if "mb" in target:
        yield f"{mine['mb']:.0f} MB ≤ {target['mb']}", mine["mb"] <= target["mb"]
    if "seconds" in target:
        yield f"{mine['wall'] * 1000:.0f} ms ≤ {target['seconds'] * 1000:.0f}", mine["wall"] <= target["seconds"]
    if "p99" in target:
        yield f"p99 {mine['p99'] * 1000:.0f} ms ≤ {target['p99'] * 1000:.0f}", mine["p99"] <= target["p99"]
    if "rate" in target:
        rate = target["rate"]["rows"] / mine["wall"]
        yield f"{rate:,.0f} rows/s ≥ {target['rate']['least']:,}", rate >= target["rate"]["least"]


def verdicts(workload, medians):
    target = workload["target"]
    mine = medians["sluice"]
    yield from own_verdicts(target, mine)
    if "sum" in target:
        most = sum(medians[part]["wall"] * times for part, times in target["sum"].items())
        text = " + ".join(f"{times} × {part}" for part, times in target["sum"].items())
        yield f"wall {mine['wall']:.2f} s ≤ {text} = {most:.2f} s", mine["wall"] <= most
    for peer, limits in target.items():
        if peer not in medians or peer == "sum":
            continue
        for figure, limit in limits.items():
            ratio = mine[figure] / medians[peer][figure]
            yield f"{figure} {ratio:.3g} × {peer} ≤ {limit:.3g}", ratio <= limit


def run(workload, runs_wanted):
    """The figures of each program's runs."""
    commands = {key: workload[key] for key in PROGRAMS if key in workload}
    runs = {key: [] for key in commands}
    with servers.running(workload) as beside:
        for turn in range(runs_wanted + (runs_wanted > 1)):
            for key, command in commands.items():
                beside.prepare()
                figures = workload.get("measure", measure)(command, DATA / "run" / key, beside)
                if key == "sluice" and "verify" in workload:
                    workload["verify"](beside)
                if turn > 0 or runs_wanted == 1:
                    runs[key].append(figures)
    return runs


def report(name, workload, runs):
    medians = {key: {figure: median(values, figure) for figure in values[0]} for key, values in runs.items()}
    print(f"\n{name}")
    for key, figures in medians.items():
        shown = (f"{figures[figure]:8.3f} {unit}" for figure, unit in UNITS.items() if figure in figures)
        print(f"  {key:8} {' '.join(shown)}")
    judged = [{"text": text, "ok": bool(good)} for text, good in verdicts(workload, medians)]
    for verdict in judged:
        print(f"  {'ok  ' if verdict['ok'] else 'MISS'} {verdict['text']}", flush=True)
    return {"medians": medians, "runs": runs, "verdicts": judged}


def kept(name, rows):
    """The file of that name, and what it holds."""
    date = time.strftime("%Y-%m-%d")
    file = ROOT / "bench" / "results" / f"{date}-{name}.json"
    machine = {"cores": os.cpu_count(), "kernel": platform.release(), "rows": rows, "date": date}
    known = json.loads(file.read_text()) if file.exists() else {"machine": machine, "workloads": {}}
    if known["machine"] != machine:
        raise SystemExit(f"{file} was measured otherwise ({known['machine']}); choose another name")
    return file, known


def keep(name, rows, results):
    file, known = kept(name, rows)
    file.parent.mkdir(exist_ok=True)
    known["workloads"] |= results
    file.write_text(json.dumps(known, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", metavar="NAME", help="write bench/results/DATE-NAME.json, or add to it")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    known = workloads(arguments.rows)
    if unknown := set(arguments.names) - set(known):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    if arguments.keep:
        kept(arguments.keep, arguments.rows)  # what cannot be kept is not measured
    for name in arguments.names or known:
        workload = known[name]
        for path in workload["input"]:
            make_input(path, arguments.rows)
        if "debezium" in workload:
            compile_debezium()
        result = report(name, workload, run(workload, workload.get("runs", arguments.runs)))
        if arguments.keep:
            keep(arguments.keep, arguments.rows, {name: result})
    shutil.rmtree(DATA / "run", ignore_errors=True)


if __name__ == "__main__":
    main()
