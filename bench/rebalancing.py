"""A group of one member that another one joins and leaves again, ten rebalances a minute."""
import contextlib
import dataclasses
import signal
import threading

from commands import Stream
from measuring import measure, started

SECONDS_BETWEEN = 6


@dataclasses.dataclass
class Disturbed(Stream):
    """A stream of a group that a second process, of the same statement, joins for six seconds in every twelve."""


@contextlib.contextmanager
def coming_and_going(command, folder, beside):
    over = threading.Event()
    failures = []

    def visit():
        visits = 0
        try:
            while not over.wait(SECONDS_BETWEEN / 2 if visits == 0 else SECONDS_BETWEEN):
                visits += 1
                with started(beside.fill(command), folder, beside.environment) as running:
                    over.wait(SECONDS_BETWEEN)
                    running.process.send_signal(signal.SIGTERM)
                    running.finish()
            assert visits > 0, "the stream was over before another member came: more messages are needed"
        except (AssertionError, SystemExit) as failure:
            failures.append(failure)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        over.set()
        visitor.join()
    if failures:
        raise failures[0]


def measure_rebalances(command, folder, beside):
    if not isinstance(command, Disturbed):
        return measure(command, folder, beside)
    with coming_and_going(command.command, folder.with_name("visitor"), beside):
        return measure(command, folder, beside)
