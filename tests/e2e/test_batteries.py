"""The batteries of src/app that need a server: every connector and state store of the registry whose name says so."""
import os
import pathlib
import re
import subprocess

import pytest

from services.process import need

PROGRAM = pathlib.Path(os.environ.get("SLUICE_BINARY", "build/sluice")).parent / "tests/app_test"


def passes(names, batteries, processes=1, **servers):
    """All cases of these names in these batteries run, none is skipped for want of a server.

    They wait much more than they work: several processes share them.
    """
    filters = ":".join(f"Registry/{battery}.*/{name}" for battery in batteries for name in names)
    command = [need(PROGRAM.resolve(), "make"), "--gtest_brief=1", f"--gtest_filter={filters}"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, **servers, "GTEST_TOTAL_SHARDS": str(processes), "GTEST_SHARD_INDEX": str(index)})
               for index in range(processes)]
    try:
        outputs = [process.communicate(timeout=600)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    output = "".join(outputs)
    assert [process.returncode for process in running] == [0] * processes, output
    assert "names no server" not in output
    assert sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", output))) > 20, output


def test_the_batteries_of_postgresql(postgres):
    batteries = ["SourceBattery", "SinkBattery", "CoordinatorBattery"]
    passes(["postgresql", "postgresql_stream"], batteries, SLUICE_TEST_POSTGRES=postgres.url())


def test_the_batteries_of_kafka(kafka):
    batteries = ["SourceBattery", "SharedSourceBattery", "SinkBattery"]
    passes(["kafka", "kafka_stream"], batteries, processes=4, SLUICE_TEST_KAFKA=kafka.url().rstrip("/"))
