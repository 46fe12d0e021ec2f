"""A fake server inside a machine: accepts requests of an agent and logs their paths and keys."""

import http.server
import sys
from pathlib import Path

LOG = Path(sys.argv[1])


class FakeServer(http.server.BaseHTTPRequestHandler):
    """Answers 202 to everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with LOG.open("a") as log:
            log.write(f"{self.path} {self.headers['Authorization']}\n")
        body = b'{"queued": 0, "rejected": []}'
        self.send_response(202)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 18080), FakeServer).serve_forever()
