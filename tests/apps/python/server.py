"""A small web application with SQLAlchemy's QueuePool over psycopg2.

It keeps, in memory, every change of the pool's own numbers, as the truth that poolwatch's view from
outside is compared with.

GET /query?ms=30   one autocommit `select pg_sleep` of that time through the pool
GET /pool          {"used","idle","total","waiting","at_ns"} by the library's own count
GET /truth         [[at_ns, used, total], ...] since the start
"""

import json
import os
import threading
import time
from urllib.parse import parse_qs

import psycopg2
import threaded
from sqlalchemy import event
from sqlalchemy.pool import QueuePool


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


PAGES = {"/query": query, "/pool": own, "/truth": history}


def answer(path, query_string):
    page = PAGES.get(path)
    if page is None:
        status, body = 404, {"error": "no such page"}
    else:
        try:
            status, body = 200, page(parse_qs(query_string))
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the client's to see
            status, body = 500, {"error": str(error)}
    return status, "application/json", json.dumps(body)


if __name__ == "__main__":
    threaded.serve(answer)
    pool.dispose()
