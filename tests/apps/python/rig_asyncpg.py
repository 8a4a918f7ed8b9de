"""The rig of asyncpg's pool: see rig_aio.py for what comes in and what goes out."""

import asyncio
import os

import asyncpg

import rig_aio


class Pool:
    timeout = asyncio.TimeoutError

    def __init__(self, pool):
        self.pool = pool

    def acquire(self):
        return self.pool.acquire(timeout=rig_aio.PATIENCE)

    def release(self, connection):
        return self.pool.release(connection)

    def query(self, connection, seconds):
        return connection.fetch("select pg_sleep($1)", seconds)

    def transaction(self, connection):
        return connection.transaction()

    def counters(self):
        total, idle = self.pool.get_size(), self.pool.get_idle_size()
        return total - idle, idle, None, total


async def main():
    database = os.environ.get("PGDATABASE")
    pool = await asyncpg.create_pool(
        **rig_aio.ADDRESS, database=database, ssl=os.environ.get("PGSSLMODE", "disable"), min_size=0, max_size=rig_aio.SIZE
    )
    await rig_aio.serve(Pool(pool))


asyncio.run(main())
