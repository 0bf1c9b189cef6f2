"""A TCP proxy that misbehaves on request: between a client and a server that themselves are well."""
import selectors
import socket
import threading
import time


class TcpProxy:
    """Passes bytes on. cut(): both sides are closed. freeze(): connections stay open and nothing passes any more, as
    when a host is gone without a word; new ones are accepted and get no answer. deafen(): what clients send arrives, and
    no answer comes back. forget(): connections that are open stay so and nothing passes, new ones are well.
    halve(times): of what passes next only one half does, then both sides are closed. delay: seconds that everything
    takes."""

    def __init__(self, port, delay=0.0):
        self.target = ("127.0.0.1", port)
        self.delay = delay
        self.passed = 0  # bytes towards the client
        self._frozen = threading.Event()
        self._deaf = threading.Event()
        self._forgotten = set()
        self._halves = 0
        self._open = set()
        self._lock = threading.Lock()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut()

    def cut(self):
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def freeze(self):
        self._frozen.set()

    def deafen(self):
        self._deaf.set()

    def forget(self):
        with self._lock:
            self._forgotten |= self._open

    def halve(self, times):
        with self._lock:
            self._halves = times

    def thaw(self):
        """For connections made from now on; the frozen ones are cut."""
        self._frozen.clear()
        self._deaf.clear()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _reach(self, _client):
        return socket.create_connection(self.target)

    def _serve(self, client):
        try:
            server = self._reach(client)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            try:
                while self._pass(selector, client):
                    pass
            except (OSError, ValueError):
                pass  # one side closed: so does the other
        with self._lock:
            self._open -= {client, server}
            self._forgotten -= {client, server}
        client.close()
        server.close()

    def _pass(self, selector, client):
        for key, _ in selector.select(0.1):
            if self._frozen.is_set():
                time.sleep(0.05)
                continue
            if client in self._forgotten or (self._deaf.is_set() and key.data is client):
                time.sleep(0.05)
                continue
            data = key.fileobj.recv(65536)
            if not data:
                return False
            if self.delay:
                time.sleep(self.delay)
            if self._takes_a_half(len(data)):
                key.data.sendall(data[: len(data) // 2])
                return False
            key.data.sendall(data)
            if key.data is client:
                self.passed += len(data)
        return True

    def _takes_a_half(self, size):
        with self._lock:
            halve = self._halves > 0 and size > 1
            self._halves -= halve
        return halve


class ConnectProxy(TcpProxy):
    """What HTTPS_PROXY names: opens a tunnel to whom each client asks for."""

    def __init__(self):
        super().__init__(port=None)
        self.asked_for = []  # "host:port"

    def _reach(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                raise OSError("the client went away")
            head += more
        method, target, _ = head.decode().split(" ", 2)
        assert method == "CONNECT", head
        self.asked_for.append(target)
        host, _, port = target.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return server
