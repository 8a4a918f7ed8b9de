// libpq itself, in every way that it speaks: PQexec, parameters, prepared, pipelines with one Sync for many
// statements and many Syncs in flight, single rows, COPY, the function call of large objects. In comes the
// environment of libpq and WIRE_WHAT (`calls` or `durations`), WIRE_CALLS, WIRE_SEED; out goes one line of JSON.

#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static PGconn *connection;
static int calls, errors, empty;
static const char *mode;
static int mode_calls;
static char modes[512];

static const char *SELECT = "select name, amount from item where id = $1";
static const char *INSERT = "insert into event (item, body) values ($1, $2) returning id";
static const char *UPDATE = "update item set amount = amount + $1 where id = $2";
static const char *TWICE = "insert into item (id, name) values ($1, $2)";

static const struct { const char *what, *sql; int times; } LENGTHS[] = {
    {"1 ms", "select pg_sleep(0.001) as ms1", 300},
    {"10 ms", "select pg_sleep(0.010) as ms10", 60},
    {"100 ms", "select pg_sleep(0.100) as ms100", 10},
    {"500 ms", "select pg_sleep(0.500) as ms500", 3},
    {"2 s", "select pg_sleep(2.000) as s2", 2},
    {"chunks", "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)", 10},
};

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s", what, PQerrorMessage(connection));
    exit(1);
}

static void close_mode(void)
{
    size_t length = strlen(modes);
    if (mode)
        snprintf(modes + length, sizeof modes - length, "%s\"%s\": %d", length ? ", " : "", mode, mode_calls);
    mode_calls = 0;
}

static void begin(const char *name)
{
    close_mode();
    mode = name;
}

static void call(int number)
{
    calls += number;
    mode_calls += number;
}

static const char *item(void)
{
    static char texts[8][12];
    static int next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "%d", 1 + rand() % 1000);
    return text;
}

// Takes a result that should be fine, or should not.
static void take(PGresult *result, int fine)
{
    ExecStatusType status = PQresultStatus(result);
    int good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
    if (good != fine)
        fail(good ? "a call did not fail" : "a call failed");
    errors += !fine;
    PQclear(result);
}

static void simple(const char *sql)
{
    call(1);
    take(PQexec(connection, sql), 1);
}

static PGresult *with(const char *name, const char *sql, const char *one, const char *two)
{
    const char *values[] = {one, two};
    int number = (one != NULL) + (two != NULL);
    if (name)
        return PQexecPrepared(connection, name, number, values, NULL, NULL, 0);
    return PQexecParams(connection, sql, number, NULL, values, NULL, NULL, 0);
}

static void run(int named, const char *name, const char *sql, const char *one, const char *two)
{
    call(1);
    take(with(named ? name : NULL, sql, one, two), 1);
}

static void failures(int named)
{
    // The SELECT is complete, but its portal is open when the transaction fails at a Parse.
    simple("begin");
    run(named, "select", SELECT, item(), NULL);
    take(with(NULL, "selec name from item where id = $1", item(), NULL), 0);
    simple("rollback");
    take(PQexec(connection, "selec name from item where id = 3"), 0);
    take(with(NULL, "selec name from item where id = $1", item(), NULL), 0);
    take(with(NULL, "select 1 / (id - id) from item where id = $1", item(), NULL), 0);
    take(with(named ? "twice" : NULL, TWICE, item(), "there already"), 0);
    empty += 2;
    take(PQexec(connection, ""), 1);
    take(with(NULL, "", NULL, NULL), 1);
    call(4);
    take(PQexec(connection, "select 1; update item set note = 'n' where id = 5; select 'b'"), 1);
    take(PQexec(connection, "/* completes 1 */ select 2; select 3 / 0; select 4"), 0);
    simple("select id, repeat('wide', 20) from item, generate_series(1, 3)");
}

static void mix(const char *name, int named, int rounds)
{
    begin(name);
    if (named) {
        PQclear(PQprepare(connection, "select", SELECT, 1, NULL));
        PQclear(PQprepare(connection, "insert", INSERT, 2, NULL));
        PQclear(PQprepare(connection, "update", UPDATE, 2, NULL));
        PQclear(PQprepare(connection, "twice", TWICE, 2, NULL));
    }
    for (int number = 0; number < rounds; number++) {
        run(named, "select", SELECT, item(), NULL);
        run(named, "insert", INSERT, item(), "inserted");
        run(named, "update", UPDATE, "1", item());
        if (number % 5 == 0) {
            simple("begin");
            run(named, "update", UPDATE, "1", item());
            simple("savepoint here");
            take(with(named ? "twice" : NULL, TWICE, "1", "there already"), 0);
            simple("rollback to savepoint here");
            run(named, "insert", INSERT, item(), "kept or not");
            simple(number % 10 ? "commit" : "rollback");
        }
        if (number % 20 == 0)
            failures(named);
    }
}

static void send(const char *sql, const char *one, const char *two)
{
    const char *values[] = {one, two};
    if (!PQsendQueryParams(connection, sql, two ? 2 : 1, NULL, values, NULL, NULL, 0))
        fail("sending");
}

// Takes results up to so many Syncs; what was skipped after an error is no error of its own.
static void drain(int syncs)
{
    while (syncs > 0) {
        PGresult *result = PQgetResult(connection);
        if (!result)
            continue;
        syncs -= PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        errors += PQresultStatus(result) == PGRES_FATAL_ERROR;
        PQclear(result);
    }
}

static void pipelines(int rounds)
{
    begin("pipeline");
    PQenterPipelineMode(connection);
    for (int number = 0; number < rounds; number++) {
        // One Sync for all.
        for (int n = 0; n < 20; n++)
            send(n % 2 ? UPDATE : SELECT, n % 2 ? "1" : item(), n % 2 ? item() : NULL);
        PQpipelineSync(connection);
        // A Sync for each, and all in flight.
        for (int n = 0; n < 20; n++) {
            send(SELECT, item(), NULL);
            PQpipelineSync(connection);
        }
        // An error in the middle: what follows is skipped up to the Sync.
        send(SELECT, item(), NULL);
        send("select 1 / (id - 1) from item where id = $1", "1", NULL);
        send(SELECT, item(), NULL);
        PQpipelineSync(connection);
        call(41);
        drain(22);
        // Answers that come by Flush, before any Sync.
        send(SELECT, item(), NULL);
        PQsendFlushRequest(connection);
        call(1);
        PQclear(PQgetResult(connection));
        PQclear(PQgetResult(connection));
        PQpipelineSync(connection);
        drain(1);
    }
    PQexitPipelineMode(connection);
}

static void rows_and_copies(int rounds)
{
    begin("single row, copy, large objects");
    for (int number = 0; number < rounds; number++) {
        call(3);
        PGresult *result;
        PQsendQuery(connection, "select id, name from item order by id");
        PQsetSingleRowMode(connection);
        while ((result = PQgetResult(connection)))
            PQclear(result);
        PQclear(PQexec(connection, "copy event (item, body) from stdin"));
        for (int n = 0; n < 200; n++)
            PQputCopyData(connection, "1\tcopied\n", 9);
        PQputCopyEnd(connection, NULL);
        take(PQgetResult(connection), 1);
        PQgetResult(connection);
        PQclear(PQexec(connection, "copy (select id, name from item) to stdout"));
        char *line;
        while (PQgetCopyData(connection, &line, 0) > 0)
            PQfreemem(line);
        take(PQgetResult(connection), 1);
        PQgetResult(connection);
    }
    // Each of these is a FunctionCall: a request without a statement.
    simple("begin");
    Oid object = lo_creat(connection, INV_READ | INV_WRITE);
    int file = lo_open(connection, object, INV_WRITE);
    if (lo_write(connection, file, "bytes", 5) != 5)
        fail("a large object");
    lo_close(connection, file);
    lo_unlink(connection, object);
    simple("commit");
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void durations(void)
{
    for (size_t length = 0; length < sizeof LENGTHS / sizeof LENGTHS[0]; length++)
        for (int n = 0; n < LENGTHS[length].times; n++) {
            long long began = now();
            PGresult *result = with(NULL, LENGTHS[length].sql, NULL, NULL);
            long long ended = now();
            take(result, 1);
            printf("took %lld %lld %s\n", began, ended, LENGTHS[length].what);
        }
}

int main(void)
{
    const char *what = getenv("WIRE_WHAT"), *wanted = getenv("WIRE_CALLS"), *seed = getenv("WIRE_SEED");
    int number = wanted ? atoi(wanted) : 10000;
    srand(seed ? atoi(seed) : 1);
    connection = PQconnectdb("");
    if (PQstatus(connection) != CONNECTION_OK)
        fail("connecting");
    if (what && strcmp(what, "durations") == 0) {
        durations();
    } else {
        mix("PQexecParams", 0, number / 13);
        mix("PQexecPrepared", 1, number / 13);
        pipelines(number / 200);
        rows_and_copies(number / 200);
        close_mode();
    }
    PQfinish(connection);
    printf("{\"driver\": \"libpq\", \"version\": \"%d\", \"calls\": %d, \"errors\": %d, \"empty\": %d, \"modes\": {%s}}\n",
           PQlibVersion(), calls, errors, empty, modes);
    return 0;
}
