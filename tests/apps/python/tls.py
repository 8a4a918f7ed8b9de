"""Speaks through a driver over TLS, in steps that the test tells: `open`, `bind`, `run`.

argv: the driver. The address comes from PG* variables. After each step its name is printed."""

import asyncio
import os
import ssl
import sys
import urllib.request  # so that the process has another user of its TLS library at hand

ROWS = 20_000
EACH = 100


def unchecked():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Psycopg:
    def __init__(self):
        import psycopg

        self.connect = lambda: psycopg.connect("sslmode=require", autocommit=True)

    async def open(self):
        return self.connect()

    async def say(self, connection, sql, *arguments):
        return connection.execute(sql.replace("$1", "%s"), arguments or None).fetchall()

    async def together(self, connections, work):
        for connection in connections:
            await work(connection)

    async def close(self, connection):
        connection.close()


class Psycopg2(Psycopg):
    def __init__(self):
        import psycopg2

        def connect():
            connection = psycopg2.connect("sslmode=require")
            connection.autocommit = True
            return connection

        self.connect = connect

    async def say(self, connection, sql, *arguments):
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("$1", "%s"), arguments or None)
            return cursor.fetchall()


class Asyncpg:
    async def open(self):
        import asyncpg

        host, port = os.environ["PGHOST"], os.environ["PGPORT"]
        return await asyncpg.connect(host=host, port=port, ssl=unchecked())

    async def say(self, connection, sql, *arguments):
        return await connection.fetch(sql, *arguments)

    async def together(self, connections, work):
        await asyncio.gather(*(work(connection) for connection in connections))

    async def close(self, connection):
        await connection.close()


class Pg8000(Psycopg):
    def __init__(self):
        import gnutls
        import pg8000.native

        def connect():
            address = {"host": os.environ["PGHOST"], "port": int(os.environ["PGPORT"])}
            user, password = os.environ["PGUSER"], os.environ["PGPASSWORD"]
            return pg8000.native.Connection(user, password=password, ssl_context=gnutls.Context(), **address)

        self.connect = connect

    async def say(self, connection, sql, *arguments):
        values = {f"a{number}": value for number, value in enumerate(arguments, 1)}
        return connection.run(sql.replace("$", ":a").replace("::int", ""), **values)


DRIVERS = {"pg8000": Pg8000, "psycopg": Psycopg, "psycopg2": Psycopg2, "asyncpg": Asyncpg}


def other_tls():
    """The same library speaks another protocol, in the same thread."""
    try:
        urllib.request.urlopen(os.environ["OTHER"], context=unchecked(), timeout=5).read()
    except OSError as error:
        print("other:", error)


async def run(driver, first):
    async def work(connection):
        for number in range(EACH):
            await driver.say(connection, "select $1::int + 1", number)
            await driver.say(connection, "select 'planted literal', 2")
        await driver.say(connection, f"select * from generate_series(1, {ROWS})")

    later = [await driver.open() for _ in range(3)]
    other_tls()
    await driver.together([first, *later], work)
    other_tls()
    for connection in later:
        await driver.close(connection)


async def main():
    driver = DRIVERS[sys.argv[1]]()
    first = None
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line == "open":
            first = await driver.open()
            await driver.say(first, "select 'opened'")
        elif line == "bind":
            for _ in range(5):
                await driver.say(first, "select 'bound'")
        elif line == "run":
            await run(driver, first)
        elif line == "end":
            await driver.close(first)
        print(line, flush=True)


asyncio.run(main())
