# psql over TLS, in steps that the test tells: `open`, `bind`, `run`, `end`. The address comes from PG* variables. After each
# step its name is printed.
some() {
    n=0
    while [ $n -lt 100 ]; do
        echo "select $n::int + 1;"
        echo "select 'planted literal', 2;"
        n=$((n + 1))
    done
    printf '%s\n' '\o /dev/null'
    echo "select * from generate_series(1, 20000);"
    printf '%s\n' '\o'
}
say() {
    case $1 in
    open) echo "select 'opened';" ;;
    bind) for _ in 1 2 3 4 5; do echo "select 'bound';"; done ;;
    run) for _ in 1 2 3; do some; printf '%s\n' '\c -'; done; some ;;
    esac
    printf '%s\n' "\\echo $1"
}
# psql connects as it begins.
read -r step
{
    say "$step"
    while read -r step; do say "$step"; done
} | psql -X -q -A -t -v ON_ERROR_STOP=1 sslmode=require
