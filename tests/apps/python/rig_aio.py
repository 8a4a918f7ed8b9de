"""What the rigs on asyncio share: an aiohttp server that borrows from a real pool, and the truth about borrowers.

A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
`pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
GET /truth   `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none;
             `B asked got back route end` for each borrower. Nanoseconds of CLOCK_MONOTONIC.
"""

import asyncio
import os
import signal
import ssl
import time

from aiohttp import web

ADDRESS = {
    "host": os.environ.get("PGHOST"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER"),
}
SIZE = int(os.environ.get("POOL", "10"))
PATIENCE = int(os.environ.get("ACQUIRE_TIMEOUT_MS", "30000")) / 1000


async def pause(ms):
    if ms > 0:
        await asyncio.sleep(ms / 1000)


class Rig:
    """The pool's side: `acquire()`, `release(connection)`, `query(connection, seconds)`, `transaction(connection)`,
    `counters()` as used, idle, waiting, total, and `timeout`, the error of a borrower that gave up."""

    def __init__(self, pool):
        self.pool = pool
        self.rows = []

    async def sample(self):
        while True:
            await asyncio.sleep(0.010)
            numbers = ("-" if number is None else str(number) for number in self.pool.counters())
            self.rows.append(f"S {time.monotonic_ns()} {' '.join(numbers)}")

    async def borrow(self, route, work):
        asked = time.monotonic_ns()
        try:
            connection = await self.pool.acquire()
        except Exception as error:
            end = "timeout" if isinstance(error, self.pool.timeout) else "error"
            self.rows.append(f"B {asked} {time.monotonic_ns()} 0 {route} {end}")
            raise
        got = time.monotonic_ns()
        try:
            await work(connection)
        finally:
            await self.pool.release(connection)
            self.rows.append(f"B {asked} {got} {time.monotonic_ns()} {route} ok")

    async def halves(self, connection, ms, gap):
        await self.pool.query(connection, ms / 2000)
        await pause(gap)
        await self.pool.query(connection, ms / 2000)

    async def shape(self, route, ms, gap):
        async def plain(connection):
            await self.pool.query(connection, ms / 1000)

        async def transaction(connection):
            async with self.pool.transaction(connection):
                await self.halves(connection, ms, gap)

        async def held(connection):
            await self.halves(connection, ms, gap)

        async def two(connection):
            await self.pool.query(connection, ms / 2000)
            await self.borrow("two-second", lambda other: self.pool.query(other, ms / 2000))

        if route == "none":
            await pause(ms)
        else:
            works = {"plain": plain, "tx": transaction, "held": held, "two": two}
            await self.borrow(route, works[route])

    async def page(self, request):
        route, number = request.path[1:], lambda name: float(request.query.get(name, 0))
        try:
            await pause(number("pre"))
            await self.shape(route, number("ms"), number("gap"))
            await pause(number("post"))
            return web.Response(text="ok")
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the client's to see
            return web.Response(status=503, text=repr(error))

    async def truth(self, _):
        return web.Response(text="\n".join(self.rows) + "\n")


def inbound():
    """TLS on the way in, where a certificate is given."""
    if "TLS_CERT" not in os.environ:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(os.environ["TLS_CERT"], os.environ["TLS_KEY"])
    return context


async def serve(pool):
    rig = Rig(pool)
    app = web.Application()
    for route in ("plain", "tx", "held", "two", "none"):
        app.router.add_get(f"/{route}", rig.page)
    app.router.add_get("/truth", rig.truth)
    sampling = asyncio.create_task(rig.sample())
    await run(app)
    sampling.cancel()
    os._exit(0)


async def run(app):
    """Until it is told to end."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(
        runner, "127.0.0.1", int(os.environ.get("PORT", "0")), backlog=2048, ssl_context=inbound()
    )
    await site.start()
    print(f"listening {runner.addresses[0][1]}", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
