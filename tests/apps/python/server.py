"""A small web application with SQLAlchemy's QueuePool over psycopg2.

It keeps, in memory, every change of the pool's own numbers, as the truth that poolwatch's view from
outside is compared with.

GET /query?ms=30   one autocommit `select pg_sleep` of that time through the pool
GET /pool          {"used","idle","total","waiting","at_ns"} by the library's own count
GET /truth         [[at_ns, used, total], ...] since the start
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2
from sqlalchemy import create_engine, event

# Threads that wait for the interpreter lock would blur the truth by its default slice of 5 ms.
sys.setswitchinterval(0.0005)


def connect():
    # Address, port, user and database come from PG* in the environment, as libpq reads them.
    return psycopg2.connect(sslmode="disable", gssencmode="disable")


engine = create_engine(
    "postgresql+psycopg2://",
    creator=connect,
    pool_size=int(os.environ.get("POOL", "10")),
    max_overflow=0,
    isolation_level="AUTOCOMMIT",
)


class Truth:
    """Counts what the pool tells; each change is one row."""

    def __init__(self):
        self.lock = threading.Lock()
        self.used = 0
        self.total = 0
        self.waiting = 0
        self.rows = [(time.monotonic_ns(), 0, 0)]

    def step(self, used=0, total=0):
        with self.lock:
            self.used += used
            self.total += total
            self.rows.append((time.monotonic_ns(), self.used, self.total))

    def wait(self, step):
        with self.lock:
            self.waiting += step


truth = Truth()
event.listen(engine, "connect", lambda *_: truth.step(total=1))
event.listen(engine, "close", lambda *_: truth.step(total=-1))
event.listen(engine, "checkout", lambda *_: truth.step(used=1))
event.listen(engine, "checkin", lambda *_: truth.step(used=-1))


def query(arguments):
    seconds = float(arguments.get("ms", ["0"])[0]) / 1000
    truth.wait(1)
    try:
        connection = engine.connect()
    finally:
        truth.wait(-1)
    began = time.monotonic_ns()
    with connection:
        connection.exec_driver_sql("select pg_sleep(%s)", (seconds,))
    return {"took_ns": time.monotonic_ns() - began}


def pool(_):
    with truth.lock:
        used, total, waiting = truth.used, truth.total, truth.waiting
    return {
        "used": used,
        "idle": total - used,
        "total": total,
        "waiting": waiting,
        "at_ns": time.monotonic_ns(),
    }


def history(_):
    with truth.lock:
        return list(truth.rows)


PAGES = {"/query": query, "/pool": pool, "/truth": history}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in two writes; without this the second waits for the peer's delayed ACK.
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self):
        url = urlsplit(self.path)
        page = PAGES.get(url.path)
        if page is None:
            self.send(404, {"error": "no such page"})
            return
        try:
            self.send(200, page(parse_qs(url.query)))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the client's to see
            self.send(500, {"error": str(error)})

    def send(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    print(f"listening {server.server_address[1]}", flush=True)

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()
    engine.dispose()


if __name__ == "__main__":
    main()
