"""psycopg 3 in every way it speaks to a server: see own.py for what comes in and what goes out."""

import psycopg
from psycopg import ClientCursor

from own import CALLS, DURATIONS, LENGTHS, Own, item, timed

OWN = Own("psycopg 3", psycopg.__version__)
SELECT = "select name, amount from item where id = %s"
RANGE = "select id, name from item where amount between %s and %s order by id limit 50"
INSERT = "insert into event (item, body) values (%s, %s) returning id"
UPDATE = "update item set amount = amount + %s where id = %s"
DELETE = "delete from event where item = %s and id %% 7 = 3"
TWICE = "insert into item (id, name) values (%s, %s)"


def run(cursor, sql, *values):
    OWN.call()
    cursor.execute(sql, values or None)
    if cursor.description:
        cursor.fetchall()


def fails(cursor, sql, *values):
    try:
        cursor.execute(sql, values or None)
    except psycopg.Error:
        OWN.error()
    else:
        raise SystemExit(f"did not fail: {sql}")


def transactions(connection, cursor):
    # BEGIN, then SAVEPOINT and ROLLBACK TO, then COMMIT: this library's own statements.
    with connection.transaction():
        OWN.call(2)
        run(cursor, UPDATE, 1, item())
        try:
            with connection.transaction():
                OWN.call(2)
                fails(cursor, TWICE, 1, "there already")
                raise psycopg.Rollback()
        except psycopg.Rollback:
            pass
        run(cursor, INSERT, item(), "kept")
    with connection.transaction():
        OWN.call(2)
        run(cursor, INSERT, item(), "not kept")
        raise psycopg.Rollback()


def mix(connection, cursor, rounds):
    for number in range(rounds):
        run(cursor, SELECT, item())
        run(cursor, RANGE, item(), item())
        run(cursor, INSERT, item(), f"of round {number}")
        run(cursor, UPDATE, number, item())
        run(cursor, DELETE, item())
        if number % 5 == 0:
            transactions(connection, cursor)
        if number % 20 == 0:
            fails(cursor, "selec name from item where id = 3")
            fails(cursor, "select 1 / (id - id) from item where id = %s", item())
            fails(cursor, TWICE, item(), "there already")
            OWN.empty()
            cursor.execute("")
        if number % 50 == 0:
            run(cursor, "select id, repeat('wide', 20) from item, generate_series(1, 3)")


def connect(threshold, autocommit=True, **more):
    connection = psycopg.connect(autocommit=autocommit, **more)
    connection.prepare_threshold = threshold
    return connection


def plain(rounds):
    for mode, threshold in [("unnamed", None), ("prepared", 0), ("after five", 5)]:
        OWN.begin(mode)
        with connect(threshold) as connection:
            mix(connection, connection.cursor(), rounds)
    OWN.begin("interpolated")
    with connect(5, cursor_factory=ClientCursor) as connection:
        mix(connection, connection.cursor(), rounds)
        # Several statements in one Query.
        for _ in range(20):
            OWN.call(3)
            connection.execute(f"select {item()}; update item set note = 'n' where id = {item()}; select 'b'")


def without_autocommit(rounds):
    OWN.begin("transactions")
    with connect(5, autocommit=False) as connection, connection.cursor() as cursor:
        for number in range(rounds):
            OWN.call(2)
            run(cursor, SELECT, item())
            run(cursor, UPDATE, 1, item())
            if number % 10 == 0:
                fails(cursor, TWICE, 1, "there already")
                connection.rollback()
            else:
                connection.commit()


def pipeline(rounds):
    OWN.begin("pipeline")
    with connect(5) as connection, connection.cursor() as cursor:
        for number in range(rounds):
            with connection.pipeline() as pipe:
                for _ in range(10):
                    OWN.call(2)
                    cursor.execute(SELECT, (item(),))
                    cursor.execute(UPDATE, (1, item()))
                if number % 4 == 0:
                    pipe.sync()
                OWN.call(20)
                cursor.executemany(INSERT, [(item(), f"of many {n}") for n in range(20)])
            if number % 5 == 0:
                broken_pipeline(connection)


def broken_pipeline(connection):
    try:
        with connection.pipeline():
            OWN.call()
            connection.execute(SELECT, (item(),))
            connection.execute("select 1 / (%s - id) from item where id = 1", (1,))
            # Skipped by the server up to Sync.
            connection.execute(SELECT, (item(),))
    except psycopg.Error:
        OWN.error()
    else:
        raise SystemExit("the pipeline did not fail")


def copy(rounds):
    OWN.begin("copy")
    with connect(5) as connection, connection.cursor() as cursor:
        for _ in range(rounds):
            OWN.call(2)
            with cursor.copy("copy event (item, body) from stdin (format binary)") as rows:
                rows.set_types(["int4", "text"])
                for number in range(200):
                    rows.write_row((number, "copied"))
            with cursor.copy("copy (select id, name from item) to stdout (format binary)") as rows:
                rows.set_types(["int4", "text"])
                if len(list(rows.rows())) != 1000:
                    raise SystemExit("COPY lost rows")


def server_side(rounds):
    OWN.begin("server-side cursor")
    with connect(5, autocommit=False) as connection:
        for _ in range(rounds):
            with connection.cursor(name="walk") as cursor:
                cursor.itersize = 300
                # BEGIN, DECLARE, four FETCH (and the empty one), CLOSE, COMMIT
                OWN.call(8)
                cursor.execute("select id, name from item order by id")
                if len(list(cursor)) != 1000:
                    raise SystemExit("the cursor lost rows")
            connection.commit()


def durations():
    with connect(None) as connection, connection.cursor() as cursor:
        cursor.execute("select 'warm'")
        for what, sql, times in LENGTHS:
            for _ in range(times):
                timed(what, lambda sql=sql: cursor.execute(sql))


if DURATIONS:
    durations()
else:
    plain(CALLS // 35)
    without_autocommit(CALLS // 40)
    pipeline(CALLS // 200)
    copy(CALLS // 200)
    server_side(CALLS // 200)
OWN.tell()
