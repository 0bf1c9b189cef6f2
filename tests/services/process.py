"""Real servers for tests: started on free ports, ended with the tests, never left behind."""
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

DEPS = pathlib.Path(__file__).resolve().parents[2] / ".deps"


def listens(process):
    """Has sluice taken SIGTERM over? Before that the signal ends it as it ends any program."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    blocked = int(status.split("SigBlk:")[1].split()[0], 16)
    # Not all of them: pthread_create() blocks every signal for a moment.
    return blocked >> (signal.SIGTERM - 1) & 1 == 1 and blocked >> (signal.SIGUSR1 - 1) & 1 == 0


def need(path, how="tools/deps test"):
    """Skips loudly on a person's machine, fails in CI: a program that tests run against is absent."""
    if path.exists():
        return path
    assert os.environ.get("CI") != "true", f"{path.name} is not there; run {how}"
    pytest.skip(f"{path.name} is not there; run {how}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Server:
    """A process that listens; its output is in `log`."""

    def __init__(self, command, log, env=None):
        self.log = pathlib.Path(log)
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                preexec_fn=die_with_parent,
            )

    def wait_http(self, url, seconds=30, context=None):
        deadline = time.monotonic() + seconds
        while True:
            try:
                urllib.request.urlopen(url, timeout=2, context=context).close()
                return self
            except urllib.error.HTTPError:
                return self  # it answers
            except OSError:
                pass
            assert self.process.poll() is None, f"it ended: {self.log.read_text()}"
            assert time.monotonic() < deadline, f"no answer in {seconds} s: {self.log.read_text()}"
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
