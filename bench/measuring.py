"""Runs one command and takes its figures from the kernel's accounting of the process (wait4, /proc)."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from commands import Stream, Timed

POLL = 0.02  # seconds
PATIENCE = 600  # seconds, for a stream that does not deliver


class Running:
    """A process and how much memory it has had at most.

    That is read from /proc while it runs: ru_maxrss begins with the peak of the process that started it, which is us.
    """

    def __init__(self, process, log):
        self.process = process
        self.log = log  # its path
        self.peak_kb = 0
        self.watch = threading.Thread(target=self.watch_memory, daemon=True)
        self.watch.start()

    def watch_memory(self):
        with contextlib.suppress(OSError):
            while True:
                found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())
                if found is None:
                    return  # it has ended
                self.peak_kb = int(found.group(1))
                time.sleep(0.005)

    def finish(self):
        """Its CPU seconds and peak MB, after it has ended."""
        self.watch.join()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise SystemExit(f"{self.process.args} failed:\n{self.log.read_text()}")
        return {"cpu": usage.ru_utime + usage.ru_stime, "mb": self.peak_kb / 1024}


@contextlib.contextmanager
def started(command, folder, environment):
    """In an emptied folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    log = folder / "log"
    environment = {**os.environ, "SLUICE_STATE": f"sqlite:{folder}/state.db", **environment}
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield Running(process, log)
    finally:
        if process.returncode is None:
            process.kill()


def wait_until(holds, running, what):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if running.process.poll() is not None:
            raise SystemExit(f"{running.process.args} ended by itself:\n{running.log.read_text()}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{running.process.args}: not after {PATIENCE} s: {what}\n{running.log.read_text()}")
        time.sleep(POLL)


def measure(command, folder, beside):
    """Wall seconds, CPU seconds and peak MB of one run, and the CPU seconds of the database server beside it."""
    kind, words = command, command
    if isinstance(command, (Stream, Timed)):
        words = command.command
    server_before = beside.server_cpu()
    began = time.monotonic()
    with started(beside.fill(words), folder, beside.environment) as running:
        if isinstance(kind, Stream):
            wait_until(lambda: beside.holds(kind.until), running, kind.until)
            wall = time.monotonic() - began
            running.process.send_signal(signal.SIGTERM)
            figures = running.finish()
        else:
            figures = running.finish()
            wall = time.monotonic() - began
    log = running.log.read_text(errors="replace")
    if isinstance(kind, Timed):
        wall = float(re.search(r"seconds ([0-9.]+)", log).group(1))
    if isinstance(kind, Stream) and kind.rows:
        said = re.findall(r"(\d+) rows", log.replace(",", ""))  # of its progress, and last of what it delivered
        assert said and int(said[-1]) == kind.rows, f"{kind.rows} rows were to be delivered:\n{log}"
    figures["wall"] = wall
    if server_before is not None:
        figures["server"] = beside.server_cpu() - server_before
    return figures
