"""asyncpg: named and unnamed statements, portals with suspension, binary COPY. See own.py for in and out."""

import asyncio
import io

import asyncpg

from own import CALLS, DURATIONS, LENGTHS, Own, item, timed_async

OWN = Own("asyncpg", asyncpg.__version__)
SELECT = "select name, amount from item where id = $1"
RANGE = "select id, name from item where amount between $1 and $2 order by id limit 50"
INSERT = "insert into event (item, body) values ($1, $2) returning id"
UPDATE = "update item set amount = amount + $1 where id = $2"
TWICE = "insert into item (id, name) values ($1, $2)"


async def run(connection, sql, *values):
    OWN.call()
    return await connection.fetch(sql, *values)


async def fails(connection, sql, *values):
    try:
        await connection.fetch(sql, *values)
    except asyncpg.PostgresError:
        OWN.error()
    else:
        raise SystemExit(f"did not fail: {sql}")


class Undone(Exception):
    """Ends a transaction by ROLLBACK."""


async def transactions(connection):
    async with connection.transaction():
        OWN.call(2)
        await run(connection, UPDATE, 1, item())
        try:
            async with connection.transaction():
                OWN.call(2)
                await fails(connection, TWICE, 1, "there already")
                raise Undone
        except Undone:
            pass
        await run(connection, INSERT, item(), "kept")
    try:
        async with connection.transaction():
            OWN.call(2)
            await run(connection, INSERT, item(), "not kept")
            raise Undone
    except Undone:
        pass


async def mix(connection, rounds):
    for number in range(rounds):
        await run(connection, SELECT, item())
        await run(connection, RANGE, item(), item())
        await run(connection, INSERT, item(), f"of round {number}")
        await run(connection, UPDATE, number, item())
        await run(connection, "delete from event where item = $1 and id % 7 = 3", item())
        if number % 5 == 0:
            await transactions(connection)
        if number % 20 == 0:
            await errors(connection)
        if number % 50 == 0:
            await run(connection, "select id, repeat('wide', 20) from item, generate_series(1, 3)")


async def errors(connection):
    await fails(connection, "selec name from item where id = 3")
    await fails(connection, "select 1 / (id - id) from item where id = $1", item())
    await fails(connection, TWICE, item(), "there already")
    OWN.empty()
    await connection.fetch("-- nothing")
    # Without arguments, execute() sends one Query.
    OWN.call(3)
    await connection.execute(f"select {item()}; update item set note = 'n' where id = {item()}; select 'b'")


async def fetches(rounds):
    for mode, cache in [("cached statements", 100), ("no cache", 0)]:
        OWN.begin(mode)
        connection = await asyncpg.connect(statement_cache_size=cache)
        await mix(connection, rounds)
        await connection.close()


async def prepared(rounds):
    OWN.begin("prepare")
    connection = await asyncpg.connect()
    statement = await connection.prepare(SELECT)
    for _ in range(rounds):
        OWN.call(2)
        await statement.fetchrow(item())
        await statement.fetch(item())
    await connection.close()


async def many(rounds):
    OWN.begin("executemany")
    connection = await asyncpg.connect()
    for number in range(rounds):
        OWN.call(52)
        await connection.executemany(UPDATE, [(1, item()) for _ in range(50)])
        if number % 5 == 0:
            try:
                # The second row fails: the library wraps all of them in one transaction.
                await connection.executemany(TWICE, [(5000, "new"), (1, "there already"), (5001, "new")])
            except asyncpg.UniqueViolationError:
                OWN.error()
    await connection.close()


async def cursors(rounds):
    OWN.begin("cursor with prefetch")
    connection = await asyncpg.connect()
    for number in range(rounds):
        async with connection.transaction():
            OWN.call(3)
            seen = 0
            async for _ in connection.cursor("select id, name from item order by id", prefetch=90):
                seen += 1
                if number % 3 == 0 and seen == 200:
                    # Left before its end: the portal is suspended when the transaction ends.
                    break
            OWN.call()
            cursor = await connection.cursor("select id from item where id > $1 order by id", item())
            await cursor.fetch(10)
            await cursor.forward(5)
            OWN.call()
    await connection.close()


async def copy(rounds):
    OWN.begin("copy")
    connection = await asyncpg.connect()
    for _ in range(rounds):
        OWN.call(3)
        rows = [(n, "copied") for n in range(200)]
        await connection.copy_records_to_table("event", records=rows, columns=["item", "body"])
        await connection.copy_from_query("select id, name from item where id > $1", 10, output=io.BytesIO())
        await connection.copy_from_table("item", output=io.BytesIO(), format="binary")
    await connection.close()


async def durations():
    connection = await asyncpg.connect()
    await connection.fetch("select 'warm'")
    for what, sql, times in LENGTHS:
        statement = await connection.prepare(sql)
        # Its Parse comes with a Flush and no Sync, so the first Execute ends the request that it began.
        await statement.fetch()
        for _ in range(times):
            await timed_async(what, statement.fetch)
    await connection.close()


async def calls():
    await fetches(CALLS // 22)
    await prepared(CALLS // 20)
    await many(CALLS // 400)
    await cursors(CALLS // 200)
    await copy(CALLS // 200)


asyncio.run(durations() if DURATIONS else calls())
OWN.tell()
