"""Pipelines that run in the background, and what they delivered as others read it."""
import signal
import time

import pytest
from delivered import wait_until

from services.process import listens


class Running:
    """A started `sluice run`; the fixture kills it if the test has not ended it."""

    def __init__(self, process):
        self.process = process

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def listens(self):
        return listens(self.process)

    def end(self, timeout=30):
        """(exit code, stderr) once it has ended by itself."""
        _, stderr = self.process.communicate(timeout=timeout)
        return self.process.returncode, stderr

    def stop(self):
        """SIGTERM: it drains, commits and ends well; returns stderr."""
        wait_until(lambda: self.process.poll() is not None or self.listens(), "it to listen for signals")
        assert self.process.poll() is None, self.process.communicate()
        self.signal()
        code, stderr = self.end()
        assert code == 0, stderr
        return stderr

    def waits_until(self, condition, what="", seconds=30):
        try:
            wait_until(lambda: condition() or self.process.poll() is not None, what, seconds)
        except AssertionError as late:
            self.process.kill()
            raise AssertionError(f"{late}; meanwhile it said: {self.process.communicate()[1]}") from None
        assert condition(), f"{what}; it ended: {self.process.communicate()}"


@pytest.fixture
def start(sluice):
    """start("run", "-e", …): runs in the background until the test ends it, or ends."""
    running = []

    def begin(*arguments, **options):
        running.append(Running(sluice.start(*arguments, **options)))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture
def slowly():
    """Sleeps: for what must not happen meanwhile."""
    return lambda seconds=0.4: time.sleep(seconds)
