// The rig of a pooler: borrowers with a connection each, all of them to PgBouncer, which lends its own.
//
// It starts PgBouncer (PGBOUNCER is its path) in transaction mode with a pool of POOL, and prints `pooler PID`. What
// waits there is a transaction, so a page of two autocommit queries has two borrowers. A borrower asks when its first
// message is sent; it has got a server when that message is there, which the server says by the same machine's clock;
// it has given it back when the last answer has come. See rig for the pages.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"poolwatch/wire/rig"
)

const (
	// How many requests may be at the pooler at once.
	clients = 400
	// When the transaction's first message came, in microseconds since the UNIX epoch.
	sleep = "select (extract(epoch from transaction_timestamp()) * 1e6)::bigint, pg_sleep(%f)"
	// The library's counters are asked for 100 times a second; the console is spared most of that.
	every = 10
)

// The time of day less CLOCK_MONOTONIC, by the pair of readings that lay closest together.
func offset() int64 {
	best, found := int64(1<<62), int64(0)
	for range 32 {
		before := rig.Now()
		day := time.Now().UnixNano()
		after := rig.Now()
		if after-before < best {
			best, found = after-before, day-(before+after)/2
		}
	}
	return found
}

type asker interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}

// One statement; when its transaction began on the server, by the monotonic clock.
func ask(around context.Context, on asker, seconds float64) (int64, error) {
	var began int64
	var nothing any
	err := on.QueryRow(around, fmt.Sprintf(sleep, seconds)).Scan(&began, &nothing)
	return began*1000 - offset(), err
}

func note(what string, asked, got int64, err error) {
	now := rig.Now()
	switch {
	case err == nil:
		// A microsecond is the unit of the server's answer.
		rig.Note(fmt.Sprintf("B %d %d %d %s ok", asked, max(asked, got), max(asked, got, now), what))
	case strings.Contains(err.Error(), "query_wait_timeout"):
		rig.Note(fmt.Sprintf("B %d %d 0 %s timeout", asked, now, what))
	default:
		rig.Note(fmt.Sprintf("B %d %d 0 %s error", asked, now, what))
	}
}

type lease struct{ connection *pgxpool.Conn }

func (l lease) Sleep(around context.Context, seconds float64) error {
	asked := rig.Now()
	got, err := ask(around, l.connection, seconds)
	note("statement", asked, got, err)
	return err
}

func (l lease) Transaction(around context.Context, work func(rig.Sleeper) error) error {
	asked, got := rig.Now(), int64(0)
	err := pgx.BeginFunc(around, l.connection, func(transaction pgx.Tx) error {
		return work(func(around context.Context, seconds float64) error {
			began, err := ask(around, transaction, seconds)
			got = began
			return err
		})
	})
	note("transaction", asked, got, err)
	return err
}

func (l lease) Release() {
	l.connection.Release()
}

// PgBouncer's settings; it refuses to run as root.
func settings(port int) string {
	lines := []string{
		"[databases]",
		fmt.Sprintf("%s = host=%s port=%s user=%s",
			os.Getenv("PGDATABASE"), os.Getenv("PGHOST"), os.Getenv("PGPORT"), os.Getenv("PGUSER")),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		fmt.Sprintf("listen_port = %d", port),
		"unix_socket_dir =",
		"auth_type = any",
		"pool_mode = transaction",
		fmt.Sprintf("default_pool_size = %d", rig.Number("POOL", 10)),
		fmt.Sprintf("max_client_conn = %d", 2*clients),
		fmt.Sprintf("query_wait_timeout = %d", max(1, rig.Number("ACQUIRE_TIMEOUT_MS", 30000)/1000)),
		"log_connections = 0",
		"log_disconnections = 0",
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user = postgres")
	}
	return strings.Join(lines, "\n") + "\n"
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// PgBouncer changes its user, and with that forgets any signal for its parent's death. The shell's input is ours: it
// ends when we do, however that happens.
const guarded = `"$0" -q "$1" & echo $!; read -r _; kill $!`

// Open as long as we are: what nobody refers to is collected, and closed.
var guard io.Closer

func start(port int) {
	directory, err := os.MkdirTemp("", "poolwatch-pgbouncer-")
	must(err)
	must(os.Chmod(directory, 0o755))
	file := filepath.Join(directory, "pgbouncer.ini")
	must(os.WriteFile(file, []byte(settings(port)), 0o644))
	shell := exec.Command("sh", "-c", guarded, os.Getenv("PGBOUNCER"), file)
	shell.Stderr = os.Stderr
	guard, err = shell.StdinPipe()
	must(err)
	output, err := shell.StdoutPipe()
	must(err)
	must(shell.Start())
	var pid int
	_, err = fmt.Fscan(output, &pid)
	must(err)
	fmt.Printf("pooler %d\n", pid)
	// It has read them by then.
	time.AfterFunc(time.Second, func() { _ = os.RemoveAll(directory) })
}

func connect(port int, database string, most int32) *pgxpool.Pool {
	config, err := pgxpool.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s sslmode=disable", port, database))
	must(err)
	config.MaxConns = most
	// The console knows no other, and a pooled server no statement of another's.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	must(err)
	for attempt := 0; pool.Ping(context.Background()) != nil && database != "pgbouncer"; attempt++ {
		if attempt == 500 {
			panic("pgbouncer does not answer")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return pool
}

// used, idle, waiting and total of the pool, by the console's `show pools`.
func counters(console *pgxpool.Pool) [4]string {
	own := [4]string{"-", "-", "-", "-"}
	rows, err := console.Query(context.Background(), "show pools")
	if err != nil {
		return own
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil || values[0] != os.Getenv("PGDATABASE") {
			continue
		}
		number := map[string]int64{}
		for at, field := range rows.FieldDescriptions() {
			if value, err := strconv.ParseInt(fmt.Sprint(values[at]), 10, 64); err == nil {
				number[field.Name] = value
			}
		}
		used := number["sv_active"]
		idle := number["sv_idle"] + number["sv_used"] + number["sv_tested"]
		for at, value := range []int64{used, idle, number["cl_waiting"], used + idle + number["sv_login"]} {
			own[at] = fmt.Sprint(value)
		}
	}
	return own
}

func main() {
	port := rig.FreePort()
	start(port)
	pool := connect(port, os.Getenv("PGDATABASE"), clients)
	console := connect(port, "pgbouncer", 1)
	calls := 0
	rig.Serve(rig.Pool{
		Silent: true,
		Acquire: func(context context.Context) (rig.Lease, error) {
			connection, err := pool.Acquire(context)
			return lease{connection}, err
		},
		Counters: func() [4]string {
			calls++
			if calls%every != 0 {
				return [4]string{"-", "-", "-", "-"}
			}
			return counters(console)
		},
	})
}
