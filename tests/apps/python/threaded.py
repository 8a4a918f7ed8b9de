"""A web server with a thread for each connection, for applications whose pool is used by threads."""

import os
import signal
import sys
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}

# Threads that wait for the interpreter lock would blur the truth by its default slice of 5 ms.
sys.setswitchinterval(0.0005)


class Handler(StreamRequestHandler):
    """Just enough HTTP/1.1. The standard library's handler parses each request's headers as e-mail, under the
    interpreter lock: that would hold up the threads whose queries have just been answered."""

    disable_nagle_algorithm = True
    wbufsize = 65536

    def handle(self):
        while line := self.rfile.readline():
            while self.rfile.readline() not in (b"\r\n", b"\n", b""):
                pass
            url = urlsplit(line.split()[1].decode())
            status, kind, body = self.server.answer(url.path, url.query)
            head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\n"
            self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            self.wfile.flush()


class Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 2048


def serve(answer):
    """Serves at PORT until SIGTERM; `answer` = path and query string to status, content type and body in ASCII."""
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    server.answer = answer
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening {server.server_address[1]}", flush=True)
    server.serve_forever()
