"""What the Python tests share: the binary, and a folder with a state store of its own for each test."""
import os
import pathlib
import subprocess
import zlib

import pytest

pytest_plugins = ["services.kafka", "services.postgres", "services.registry", "services.s3"]

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SLUICE_BINARY", ROOT / "build" / "sluice"))


class Sluice:
    """Runs the binary in a folder of its own."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.binary = str(BINARY)

    def __call__(self, *arguments, check=True, timeout=60, env=None, input=None):
        result = subprocess.run(
            [str(BINARY), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "SLUICE_STATE": f"sqlite:{self.folder}/state.db", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            input=input,
            stdin=None if input is not None else subprocess.DEVNULL,
        )
        if check and result.returncode != 0:
            raise AssertionError(f"exit {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def sql(self, text, **options):
        return self("run", "-e", text, **options)

    def fails(self, *arguments, code=1, **options):
        """Runs what must fail: returns its one error line."""
        result = self(*arguments, check=False, **options)
        assert result.returncode == code, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, result.stderr
        return errors[0]

    def start(self, *arguments, env=None):
        """Starts a process that the test stops itself."""
        return subprocess.Popen(
            [str(BINARY), *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "SLUICE_STATE": f"sqlite:{self.folder}/state.db", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )


@pytest.fixture
def sluice(tmp_path):
    return Sluice(tmp_path)


# Servers that take seconds to start: all tests of one run in one worker.
SLOW_TO_START = ["_kafka_cluster", "secure_kafka", "_proxied_kafka", "registry", "kafka_server"]
MOST_USED, PARTS = "kafka_server", 3  # what one worker does alone at the end is what a whole run waits for


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Who needs several goes with the first of them. What has to stay together is begun first, so that it is not last."""
    for item in items:
        server = next((name for name in SLOW_TO_START if name in item.fixturenames), None)
        if server is not None and item.get_closest_marker("xdist_group") is None:
            part = zlib.crc32(item.nodeid.encode()) % PARTS if server == MOST_USED else ""
            item.add_marker(pytest.mark.xdist_group(f"{server}{part}"))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Servers end with the last test that needs them: a broker that idles still takes a few per cent of a core."""
    for server in SLOW_TO_START:
        needed = nextitem is None or server in nextitem.fixturenames  # the end of the session ends all
        if server in item.fixturenames and not needed:
            # By what pytest itself calls at the end of a scope; it has no public name.
            item._fixtureinfo.name2fixturedefs[server][-1].finish(item._request)


def pytest_terminal_summary(terminalreporter):
    """Prints what tests recorded with record_property("summary", …), also when they ran in worker processes."""
    lines = sorted(
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for key, value in report.user_properties
        if key == "summary"
    )
    for line in lines:
        terminalreporter.write_line(line)
