"""The role of a container on ECS: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI means an agent at 169.254.170.2, an address that
only a network namespace of our own can have. Everything runs in it: the agent, the bucket's server, and sluice."""
import contextlib
import fcntl
import http.server
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

import pytest

if __name__ == "__main__":
    sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]

from services.s3 import ACCESS_KEY, SECRET_KEY, running_versitygw

AGENT = "169.254.170.2"
NAMESPACE = ["unshare", "--net"]


def test_the_agent_of_a_container_is_at_its_fixed_address(tmp_path):
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to make a network namespace")
    done = subprocess.run([*NAMESPACE, sys.executable, __file__, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"refused": 401, "ids": [1, 2]}


@contextlib.contextmanager
def agent(asked):
    role = {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY, "Expiration": "2099-01-01T00:00:00Z"}

    class Agent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            allowed = self.path == "/v2/credentials/task-1"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(role).encode() if allowed else b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((AGENT, 80), Agent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def give_the_loopback_its_addresses():
    """As `ip link set lo up; ip address add 169.254.170.2 dev lo`, which is not on every machine (netdevice(7))."""
    set_flags, set_address, up = 0x8914, 0x8916, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh22x", b"lo", up))
        fcntl.ioctl(any_socket, set_address, struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(AGENT)))


def inside(folder):
    from conftest import Sluice

    give_the_loopback_its_addresses()
    sluice = Sluice(folder)
    (folder / "in.jsonl").write_text('{"id":1}\n{"id":2}\n')
    (folder / "s3").mkdir()
    asked = []
    with running_versitygw(folder / "s3") as server, agent(asked):
        bucket = server.make_bucket()
        env = {**bucket.env, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        sql = f"CREATE TABLE t AS SELECT id FROM file('in.jsonl') INSERT INTO {bucket.at('out/')}"
        error = sluice.fails("run", "-e", sql, env={**env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/nobody"})
        assert f"the container's credentials at http://{AGENT}/nobody are refused with status 401" in error, error
        sluice.sql(sql, env={**env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/task-1"})
        assert set(asked) == {"/nobody", "/v2/credentials/task-1"}
        rows = [json.loads(line) for key in bucket.keys("out/") for line in bucket.get(key).decode().splitlines()]
    print(json.dumps({"refused": 401, "ids": sorted(row["id"] for row in rows)}))


if __name__ == "__main__":
    inside(pathlib.Path(sys.argv[1]))
