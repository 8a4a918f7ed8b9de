"""psycopg2: everything goes by the simple protocol. See own.py for what comes in and what goes out."""

import io

import psycopg2
from psycopg2.extras import execute_batch, execute_values

from own import CALLS, DURATIONS, LENGTHS, Own, item, timed

OWN = Own("psycopg2", psycopg2.__version__.split()[0])
SELECT = "select name, amount from item where id = %s"
INSERT = "insert into event (item, body) values (%s, %s) returning id"
UPDATE = "update item set amount = amount + %s where id = %s"
TWICE = "insert into item (id, name) values (%s, %s)"


def run(cursor, sql, *values):
    OWN.call()
    cursor.execute(sql, values or None)
    if cursor.description:
        cursor.fetchall()


def fails(cursor, sql, *values):
    try:
        cursor.execute(sql, values or None)
    except psycopg2.Error:
        OWN.error()
    else:
        raise SystemExit(f"did not fail: {sql}")


def connect(autocommit):
    connection = psycopg2.connect("")
    connection.autocommit = autocommit
    return connection


def plain(rounds):
    OWN.begin("autocommit")
    connection = connect(True)
    cursor = connection.cursor()
    for number in range(rounds):
        run(cursor, SELECT, item())
        run(cursor, "select id from item where id in %s", (item(), item(), item()))
        run(cursor, INSERT, item(), f"it's round {number}")
        run(cursor, UPDATE, number, item())
        run(cursor, "delete from event where item = %s and id %% 7 = 3", item())
        if number % 20 == 0:
            fails(cursor, "selec name from item where id = 3")
            fails(cursor, "select 1 / (id - id) from item where id = %s", item())
            fails(cursor, TWICE, item(), "there already")
            run(cursor, "select id, repeat('wide', 20) from item, generate_series(1, 3)")
            OWN.call(3)
            cursor.execute("select 1; update item set note = 'n' where id = 5; select 'b'")
            # The first is made, the second fails, and the third is never begun.
            OWN.call(1)
            fails(cursor, "/* completes 1 */ select 2; select 3 / 0; select 4")
    # An empty string is refused by the library; a comment is an empty query.
    for _ in range(20):
        OWN.empty()
        try:
            cursor.execute("-- nothing")
        except psycopg2.ProgrammingError:
            pass
    connection.close()


def transactions(rounds):
    OWN.begin("transactions")
    connection = connect(False)
    cursor = connection.cursor()
    for number in range(rounds):
        OWN.call(2)
        run(cursor, SELECT, item())
        run(cursor, UPDATE, 1, item())
        if number % 4 == 0:
            run(cursor, "savepoint here")
            fails(cursor, TWICE, 1, "there already")
            run(cursor, "rollback to savepoint here")
            run(cursor, "release savepoint here")
        if number % 9 == 0:
            connection.rollback()
        else:
            connection.commit()
    connection.close()


def many(rounds):
    OWN.begin("execute_values")
    connection = connect(True)
    cursor = connection.cursor()
    for _ in range(rounds):
        rows = [(item(), f"value {n}") for n in range(250)]
        OWN.call(3)
        execute_values(cursor, "insert into event (item, body) values %s", rows, page_size=100)
        OWN.call(40)
        execute_batch(cursor, UPDATE, [(1, item()) for _ in range(40)], page_size=20)
        OWN.call(10)
        cursor.executemany("update item set note = %s where id = %s", [("m", item()) for _ in range(10)])
    connection.close()


def cursors(rounds):
    OWN.begin("named cursor")
    connection = connect(False)
    for _ in range(rounds):
        with connection.cursor(name="walk") as cursor:
            cursor.itersize = 300
            # BEGIN, DECLARE, five FETCH, CLOSE, COMMIT
            OWN.call(9)
            cursor.execute("select id, name from item order by id")
            if len(list(cursor)) != 1000:
                raise SystemExit("the cursor lost rows")
        connection.commit()
    connection.close()


def copy(rounds):
    OWN.begin("copy")
    connection = connect(True)
    cursor = connection.cursor()
    for _ in range(rounds):
        OWN.call(2)
        lines = "".join(f"{n}\tcopied\n" for n in range(500))
        cursor.copy_expert("copy event (item, body) from stdin", io.StringIO(lines))
        cursor.copy_expert("copy (select id, name from item) to stdout (format csv)", io.StringIO())
    connection.close()


def durations():
    connection = connect(True)
    cursor = connection.cursor()
    cursor.execute("select 'warm'")
    for what, sql, times in LENGTHS:
        for _ in range(times):
            timed(what, lambda sql=sql: cursor.execute(sql))
    connection.close()


if DURATIONS:
    durations()
else:
    plain(CALLS // 10)
    transactions(CALLS // 20)
    many(CALLS // 80)
    cursors(CALLS // 200)
    copy(CALLS // 200)
OWN.tell()
