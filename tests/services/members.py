"""Several `sluice run` processes of one stream, side by side: killed and started again, none left behind."""
import os
import signal
import subprocess
import time

from services.process import die_with_parent


class Members:
    """Started on entering; each writes its log to member-N.log in `folder`."""

    def __init__(self, binary, folder, sql, count, env):
        self.binary, self.folder, self.sql = binary, folder, sql
        self.env = {**os.environ, **env}
        self.processes = [None] * count

    def __enter__(self):
        for number in range(len(self.processes)):
            self.start(number)
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def log(self, number):
        return self.folder / f"member-{number}.log"

    def start(self, number):
        with open(self.log(number), "a") as log:
            self.processes[number] = subprocess.Popen(
                [self.binary, "run", "--log-level", "info", "-e", self.sql], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=die_with_parent)

    def kill(self, number):
        """As kill -9 does; what it held is for the others to find out."""
        self.check()
        self.processes[number].kill()
        self.processes[number].wait()

    def check(self):
        """None may end by itself."""
        for number, process in enumerate(self.processes):
            assert process.poll() is None, \
                f"member {number} ended with {process.returncode}: {self.log(number).read_text()[-3000:]}"

    def wait_until(self, condition, what, seconds):
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            assert time.monotonic() < deadline, f"waited {seconds} s: {what}; {self.log(0).read_text()[-2000:]}"
            time.sleep(0.1)

    def stop(self, timeout=60):
        """SIGTERM to all at once: they drain, commit and end well, also one whose last epoch another one's leaving spoilt."""
        self.check()
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for number, process in enumerate(self.processes):
            code = process.wait(timeout)
            assert code == 0, f"member {number} answered SIGTERM with {code}: {self.log(number).read_text()[-3000:]}"
