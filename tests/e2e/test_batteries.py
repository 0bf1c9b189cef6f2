"""The batteries of src/app that need a server: every connector and state store of the registry whose name says so."""
import os
import pathlib
import re
import subprocess

import pytest

from services.process import need

PROGRAM = pathlib.Path(os.environ.get("SLUICE_BINARY", "build/sluice")).parent / "tests/app_test"


def passes(names, batteries, **servers):
    """All cases of these names in these batteries run, none is skipped for want of a server."""
    filters = ":".join(f"Registry/{battery}.*/{name}" for battery in batteries for name in names)
    result = subprocess.run([need(PROGRAM.resolve(), "make"), "--gtest_brief=1", f"--gtest_filter={filters}"],
                            capture_output=True, text=True, timeout=600, env={**os.environ, **servers})
    assert result.returncode == 0, result.stdout + result.stderr
    assert "names no server" not in result.stdout
    passed = re.search(r"\[  PASSED  \] (\d+) test", result.stdout)
    assert int(passed[1]) > 20, result.stdout


def test_the_batteries_of_postgresql(postgres):
    batteries = ["SourceBattery", "SinkBattery", "CoordinatorBattery"]
    passes(["postgresql", "postgresql_stream"], batteries, SLUICE_TEST_POSTGRES=postgres.url())


@pytest.mark.xdist_group("kafka_batteries")  # takes as long as a third of the tests of the plain broker
def test_the_batteries_of_kafka(kafka):
    batteries = ["SourceBattery", "SharedSourceBattery", "SinkBattery"]
    passes(["kafka", "kafka_stream"], batteries, SLUICE_TEST_KAFKA=kafka.url().rstrip("/"))
