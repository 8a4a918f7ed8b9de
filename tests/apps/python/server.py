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
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2
from sqlalchemy import event
from sqlalchemy.pool import QueuePool

# Threads that wait for the interpreter lock would blur the truth by its default slice of 5 ms.
sys.setswitchinterval(0.0005)


def connect():
    # Address, port, user and database come from PG* in the environment, as libpq reads them.
    connection = psycopg2.connect(sslmode="disable", gssencmode="disable")
    connection.autocommit = True
    return connection


# The pool by itself, as SQLAlchemy's engine uses it: a borrower's work between taking a connection and sending is
# outside every request, and so invisible from outside. It is kept short here, and is not what these tests are about.
pool = QueuePool(connect, pool_size=int(os.environ.get("POOL", "10")), max_overflow=0)


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
event.listen(pool, "connect", lambda *_: truth.step(total=1))
event.listen(pool, "close", lambda *_: truth.step(total=-1))
event.listen(pool, "checkout", lambda *_: truth.step(used=1))
event.listen(pool, "checkin", lambda *_: truth.step(used=-1))


def query(arguments):
    seconds = float(arguments.get("ms", ["0"])[0]) / 1000
    statement = f"select pg_sleep({seconds})"
    truth.wait(1)
    try:
        connection = pool.connect()
    finally:
        truth.wait(-1)
    began = time.monotonic_ns()
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()
        took = time.monotonic_ns() - began
    finally:
        connection.close()
    return {"took_ns": took}


def own(_):
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


REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error"}
PAGES = {"/query": query, "/pool": own, "/truth": history}


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
            self.send(*self.answer(url))

    def answer(self, url):
        page = PAGES.get(url.path)
        if page is None:
            return 404, {"error": "no such page"}
        try:
            return 200, page(parse_qs(url.query))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the client's to see
            return 500, {"error": str(error)}

    def send(self, status, body):
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data)
        self.wfile.flush()


class Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512


def main():
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    print(f"listening {server.server_address[1]}", flush=True)

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()
    pool.dispose()


if __name__ == "__main__":
    main()
