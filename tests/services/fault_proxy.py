"""An HTTP proxy that misbehaves on request: between a client and a server that themselves are well.

One request per connection. Requests are passed on byte for byte: the Host header is signed.
"""
import re
import socket
import threading
import time


class Fault:
    """What happens to requests that match, the first `times` of them, or all within `seconds`."""

    def __init__(self, match, do, times, seconds, skip):
        self.match = re.compile(match)
        self.do = do
        self.left = times
        self.until = None if seconds is None else time.monotonic() + seconds
        self.skip = skip
        self.seen = 0

    def applies(self, line):
        if not self.match.search(line) or (self.until is not None and time.monotonic() > self.until):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is not None:
            if self.left == 0:
                return False
            self.left -= 1
        self.seen += 1
        return True


class FaultProxy:
    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.requests = []  # "PUT /bucket/key?uploads="
        self._faults = []
        self._lock = threading.Lock()
        self._open = set()
        self._hanging = threading.Event()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._hanging.set()
        self._listener.close()
        for connection in list(self._open):
            connection.close()

    # What to do with requests whose "METHOD target" the regular expression finds.

    def answer(self, match, status, code, message="as the test wants it", xml="", headers="", times=None, seconds=None, skip=0):
        """An S3 error instead of passing it on."""
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message>{xml}</Error>'
        text = (f"HTTP/1.1 {status} Error\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
                f"x-amz-request-id: TEST\r\n{headers}Connection: close\r\n\r\n")
        return self._add(match, ("answer", text.encode(), body.encode()), times, seconds, skip)

    def slow_down(self, match="", **limits):
        return self.answer(match, 503, "SlowDown", "Please reduce your request rate.", **limits)

    def hang(self, match="", **limits):
        """Takes the request and never answers."""
        return self._add(match, ("hang",), **limits)

    def cut_request(self, match="", after=0, **limits):
        """Passes on so many bytes of the body, then closes both sides."""
        return self._add(match, ("cut_request", after), **limits)

    def cut_response(self, match="", after=0, **limits):
        """The server does it; of its answer so many bytes come back."""
        return self._add(match, ("cut_response", after), **limits)

    def veil(self, match="", **limits):
        """Of what is not there the answer is "access denied", as AWS has it for those who may not list everything."""
        return self._add(match, ("veil",), **limits)

    def call(self, match, function, **limits):
        """Calls function() and then passes the request on."""
        return self._add(match, ("call", function), **limits)

    def _add(self, match, do, times=None, seconds=None, skip=0):
        fault = Fault(match, do, times, seconds, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._one_request(connection)
        except OSError:
            pass  # one side closed: so does the other
        finally:
            self._open.discard(connection)
            connection.close()

    def _one_request(self, client):
        head, body = self._read_head(client)
        if head is None:
            return
        line = head.split(b" HTTP/", 1)[0].decode()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        left = int(length[1]) if length else 0
        if re.search(rb"\r\nexpect: *100-continue", head, re.IGNORECASE):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"\r\nexpect: *100-continue", b"", head, flags=re.IGNORECASE)
        with self._lock:
            self.requests.append(line)
            fault = next((fault for fault in self._faults if fault.applies(line)), None)
        do = fault.do if fault else ("pass",)
        if do[0] == "hang":
            self._hanging.wait()
            return
        if do[0] == "call":
            do[1]()
        limit = do[1] if do[0] == "cut_request" else None
        if do[0] == "answer":
            self._skip_body(client, left - len(body))
            client.sendall(do[1] + (b"" if line.startswith("HEAD ") else do[2]))
            client.shutdown(socket.SHUT_WR)
            return
        with socket.create_connection(self.target) as server:
            server.sendall(head)
            self._pass_body(client, server, body, left, limit)
            if limit is not None:
                return
            if do[0] == "veil" and self._is_missing(server):
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n")
                client.sendall(b"" if line.startswith("HEAD ") else b"<Error><Code>AccessDenied</Code></Error>")
                client.shutdown(socket.SHUT_WR)
                return
            self._pass_response(server, client, do[1] if do[0] == "cut_response" else None)

    @staticmethod
    def _read_head(client):
        data = b""
        while b"\r\n\r\n" not in data:
            more = client.recv(65536)
            if not more:
                return None, b""
            data += more
        end = data.index(b"\r\n\r\n") + 4
        return data[:end], data[end:]

    @staticmethod
    def _skip_body(client, left):
        while left > 0:
            more = client.recv(65536)
            if not more:
                return
            left -= len(more)

    @staticmethod
    def _pass_body(client, server, body, left, limit):
        sent = 0
        while True:
            if limit is not None and sent + len(body) >= limit:
                server.sendall(body[: limit - sent])
                return
            server.sendall(body)
            sent += len(body)
            if sent >= left:
                return
            body = client.recv(65536)
            if not body:
                raise OSError("the client went away")

    @staticmethod
    def _is_missing(server):
        begin = b"HTTP/1.1 404"
        return server.recv(len(begin), socket.MSG_PEEK | socket.MSG_WAITALL) == begin

    @staticmethod
    def _pass_response(server, client, limit):
        sent = 0
        while True:
            data = server.recv(65536)
            if not data:
                return
            if limit is not None and sent + len(data) >= limit:
                client.sendall(data[: limit - sent])
                return
            client.sendall(data)
            sent += len(data)
