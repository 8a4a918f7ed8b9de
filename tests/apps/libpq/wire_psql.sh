#!/bin/sh
# psql and pgbench: a script of statements through psql (plain, by FETCH_COUNT, \gdesc, \copy, errors), then
# pgbench in each of its modes with SELECTs alone, with TPC-B and in a pipeline. In comes libpq's environment;
# out goes one line of JSON by their own count.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
each=$((${WIRE_CALLS:-10000} / 20))

# psql: an awk program writes the script. Six statements a round, and every tenth round a transaction, an
# error in it, a plain error and a Query of three statements.
awk -v rounds="$((each / 4))" -v seed="${WIRE_SEED:-1}" 'BEGIN {
    srand(seed)
    for (n = 0; n < rounds; n++) {
        id = 1 + int(rand() * 1000)
        printf "select name from item where id = %d;\n", id
        printf "insert into event (item, body) values (%d, \x27it\x27\x27s %d\x27) returning id;\n", id, n
        printf "update item set amount = amount + %d where id = %d;\n", n, id
        printf "delete from event where item = %d and id %% 7 = 3;\n", id
        if (n % 10 == 0) {
            print "begin; update item set note = \x27n\x27 where id = 5; savepoint here;"
            printf "insert into item (id, name) values (%d, \x27there already\x27);\n", id
            print "rollback to savepoint here; commit;"
            print "select 1 / 0;"
            print "selec 1;"
            print "select 1\\; update item set note = \x27m\x27 where id = 6\\; select 3;"
            print "prepare one (int) as select name from item where id = $1;"
            print "execute one(4); execute one(5); deallocate one;"
        }
    }
}' > "$scratch/script"
rounds=$((each / 4))
tenth=$(((rounds + 9) / 10))
psql -X -q -A -t -f "$scratch/script" > "$scratch/output" 2> "$scratch/errors"
statements=$((rounds * 4 + tenth * 12))
errors=$((tenth * 3))
seen=$(grep -c 'ERROR:' "$scratch/errors")
[ "$seen" = "$errors" ] || { echo "psql told $seen errors, not $errors" >&2; exit 1; }

# A cursor by FETCH_COUNT: BEGIN, DECLARE, four times FETCH, CLOSE, COMMIT.
psql -X -q -A -t -v FETCH_COUNT=300 -c 'select id, name from item order by id' > "$scratch/output"
psql -X -q -A -t -c "\\copy (select id, name from item) to '$scratch/items'"
psql -X -q -A -t -c "\\copy event (item, body) from '$scratch/items'"

bench() {
    mode=$1
    shift
    pgbench -n -c 4 -t "$each" -M "$mode" "$@" > "$scratch/bench" 2>&1 || { cat "$scratch/bench" >&2; exit 1; }
    made=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$scratch/bench")
    [ "$made" = $((4 * each)) ] || { cat "$scratch/bench" >&2; exit 1; }
}

printf '%s\n' '\startpipeline' '\set id random(1, 1000)' \
    'select name from item where id = :id;' 'update item set amount = amount + 1 where id = :id;' \
    'select amount from item where id = :id;' '\endpipeline' > "$scratch/pipeline"
for mode in simple extended prepared; do
    bench "$mode" -S
    bench "$mode" -b tpcb-like
done
for mode in extended prepared; do
    bench "$mode" -f "$scratch/pipeline"
done

transactions=$((each * 4))
pgbench=$((transactions * 3 + transactions * 3 * 7 + transactions * 2 * 3))
printf '{"driver": "psql, pgbench", "version": "%s", "calls": %d, "errors": %d, "empty": 0, "modes": {"psql": %d, "pgbench simple, extended, prepared: -S, tpcb-like, \\\\startpipeline": %d}}\n' \
    "$(psql -V | sed 's/.*) //')" "$((statements + pgbench))" "$errors" "$statements" "$pgbench"
