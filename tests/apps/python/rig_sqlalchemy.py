"""The rig of SQLAlchemy's QueuePool over psycopg2: a thread for each connection of the web server.

A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
`pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
GET /truth   `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none;
             `B asked got back route end` for each borrower. Nanoseconds of CLOCK_MONOTONIC.
"""

import os
import threading
import time
from urllib.parse import parse_qsl

import threaded
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Address, port, user and database come from PG* in the environment, as libpq reads them.
engine = create_engine(
    "postgresql+psycopg2://",
    connect_args={"sslmode": os.environ.get("PGSSLMODE", "disable"), "gssencmode": "disable"},
    pool_size=int(os.environ.get("POOL", "10")),
    max_overflow=int(os.environ.get("OVERFLOW", "0")),
    pool_timeout=int(os.environ.get("ACQUIRE_TIMEOUT_MS", "30000")) / 1000,
)
autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
SLEEP = text("select pg_sleep(:seconds)")
rows = []


def sample():
    pool = engine.pool
    while True:
        time.sleep(0.010)
        used, idle = pool.checkedout(), pool.checkedin()
        rows.append(f"S {time.monotonic_ns()} {used} {idle} - {used + idle}")


def borrow(source, route, work):
    asked = time.monotonic_ns()
    try:
        connection = source.connect()
    except Exception as error:
        end = "timeout" if isinstance(error, PoolTimeout) else "error"
        rows.append(f"B {asked} {time.monotonic_ns()} 0 {route} {end}")
        raise
    got = time.monotonic_ns()
    try:
        work(connection)
    finally:
        connection.close()
        rows.append(f"B {asked} {got} {time.monotonic_ns()} {route} ok")


def query(connection, ms):
    connection.execute(SLEEP, {"seconds": ms / 1000})


def halves(connection, ms, gap):
    query(connection, ms / 2)
    time.sleep(gap / 1000)
    query(connection, ms / 2)


def transaction(connection, ms, gap):
    with connection.begin():
        halves(connection, ms, gap)


def two(connection, ms):
    query(connection, ms / 2)
    borrow(autocommit, "two-second", lambda other: query(other, ms / 2))


SHAPES = {
    "/none": lambda ms, gap: time.sleep(ms / 1000),
    "/plain": lambda ms, gap: borrow(autocommit, "plain", lambda c: query(c, ms)),
    "/tx": lambda ms, gap: borrow(engine, "tx", lambda c: transaction(c, ms, gap)),
    "/held": lambda ms, gap: borrow(autocommit, "held", lambda c: halves(c, ms, gap)),
    "/two": lambda ms, gap: borrow(autocommit, "two", lambda c: two(c, ms)),
}


def answer(path, query_string):
    if path == "/truth":
        return 200, "text/plain", "\n".join(rows) + "\n"
    shape = SHAPES.get(path)
    if shape is None:
        return 404, "text/plain", "no such page"
    arguments = {name: float(value) for name, value in parse_qsl(query_string)}
    try:
        time.sleep(arguments.get("pre", 0) / 1000)
        shape(arguments.get("ms", 0), arguments.get("gap", 0))
        time.sleep(arguments.get("post", 0) / 1000)
        return 200, "text/plain", "ok"
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the client's to see
        return 503, "text/plain", str(error)


if __name__ == "__main__":
    threading.Thread(target=sample, daemon=True).start()
    threaded.serve(answer)
