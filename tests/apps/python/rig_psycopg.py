"""The rig of psycopg_pool, asynchronous, autocommit: see rig_aio.py for what comes in and what goes out."""

import asyncio
import os

from psycopg_pool import AsyncConnectionPool, PoolTimeout

import rig_aio


class Pool:
    timeout = PoolTimeout

    def __init__(self, pool):
        self.pool = pool

    def acquire(self):
        return self.pool.getconn(timeout=rig_aio.PATIENCE)

    def release(self, connection):
        return self.pool.putconn(connection)

    def query(self, connection, seconds):
        return connection.execute("select pg_sleep(%s)", (seconds,))

    def transaction(self, connection):
        return connection.transaction()

    def counters(self):
        numbers = self.pool.get_stats()
        total, idle = numbers["pool_size"], numbers["pool_available"]
        return total - idle, idle, numbers.get("requests_waiting", 0), total


async def main():
    given = {"sslmode": os.environ.get("PGSSLMODE", "disable"), "gssencmode": "disable", "autocommit": True}
    given |= rig_aio.ADDRESS | {"dbname": os.environ.get("PGDATABASE")}
    pool = AsyncConnectionPool(
        "", kwargs=given, min_size=1, max_size=rig_aio.SIZE, timeout=rig_aio.PATIENCE, open=False
    )
    await pool.open(wait=True)
    await rig_aio.serve(Pool(pool))


asyncio.run(main())
