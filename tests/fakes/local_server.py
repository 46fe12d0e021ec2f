"""A server on loopback that answers as a test prepared, in HTTP or in any other way."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site(ThreadingHTTPServer):
    """`answers`: status and text by path, query left out. `requests`: path and
    headers, in order."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, tls=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = {}
        self.requests = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}"
        if tls:
            # The handshake is in the connection's thread, so that one that fails ends no other.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_):
        pass  # a client that refuses the certificate


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self):
        self.server.requests.append((self.path, dict(self.headers)))
        path = self.path.partition("?")[0]
        answer = self.server.answers.get(path, (404, "{}"))
        status, text = answer(self.path) if callable(answer) else answer
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Talker:
    """Takes connections and sends each of them `parts`, one after each thing it receives;
    afterwards it is silent and holds on, unless `closes`."""

    def __init__(self, *parts, closes=False, greeting=b""):
        self.received = []
        self._parts, self._closes, self._greeting = parts, closes, greeting
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        # Closing alone does not wake who waits in accept.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join(10)
        self._listener.close()

    def _serve(self):
        while not self._stop.is_set():
            connection, _ = self._listener.accept()
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue

    def _talk(self, connection):
        connection.settimeout(0.05)
        connection.sendall(self._greeting)
        parts = list(self._parts)
        while True:
            try:
                data = connection.recv(65536)
            except TimeoutError:
                # Only now: what was sent before the end is still received.
                if self._stop.is_set():
                    return
                continue
            if not data:
                return
            self.received.append(data)
            if parts:
                connection.sendall(parts.pop(0))
            if not parts and self._closes:
                return


class Dripping(Talker):
    """Takes connections and sends `start`, then a byte now and then for ever."""

    def __init__(self, start):
        super().__init__(greeting=start)

    def _talk(self, connection):
        connection.sendall(self._greeting)
        while not self._stop.wait(0.02):
            connection.sendall(b"x")
