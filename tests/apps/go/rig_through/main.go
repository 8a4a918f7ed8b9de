// The rig of a pooler: borrowers with a connection each, all of them to PgBouncer, which lends its own.
//
// It starts PgBouncer (PGBOUNCER is its path) in transaction mode with a pool of POOL, and prints `pooler PID`. What
// waits there is a transaction, so a page of two autocommit queries has two borrowers. A borrower asks when its first
// message is written; it has got a server when that message is there, and given it back when its only statement is done:
// both of these the server says by the same machine's clock. A transaction is given back when its last answer has come.
// See rig for the pages.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
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
	// When the transaction's first message came, and when the sleep was over, in microseconds since the UNIX epoch.
	sleep = "select (extract(epoch from transaction_timestamp()) * 1e6)::bigint, pg_sleep(%f), " +
		"(extract(epoch from clock_timestamp()) * 1e6)::bigint"
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

// A connection that notes when something was first written to it.
type noted struct {
	net.Conn
	written int64
}

func (n *noted) Write(message []byte) (int, error) {
	if n.written == 0 {
		n.written = rig.Now()
	}
	return n.Conn.Write(message)
}

func dial(around context.Context, network, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(around, network, address)
	return &noted{Conn: connection}, err
}

// One statement; when its transaction began on the server and when it was done there, by the monotonic clock.
func ask(around context.Context, on asker, seconds float64) (began, done int64, err error) {
	var nothing any
	err = on.QueryRow(around, fmt.Sprintf(sleep, seconds)).Scan(&began, &nothing, &done)
	offset := offset()
	return began*1000 - offset, done*1000 - offset, err
}

func note(what string, asked, got, back int64, err error) {
	switch {
	case err == nil:
		// A microsecond is the unit of the server's answer.
		rig.Note(fmt.Sprintf("B %d %d %d %s ok", asked, max(asked, got), max(asked, got, back), what))
	case strings.Contains(err.Error(), "query_wait_timeout"):
		rig.Note(fmt.Sprintf("B %d %d 0 %s timeout", asked, rig.Now(), what))
	default:
		rig.Note(fmt.Sprintf("B %d %d 0 %s error", asked, rig.Now(), what))
	}
}

type lease struct{ connection *pgxpool.Conn }

// The connection, of which nothing has been noted.
func (l lease) wire() *noted {
	wire := l.connection.Conn().PgConn().Conn().(*noted)
	wire.written = 0
	return wire
}

func (l lease) Sleep(around context.Context, seconds float64) error {
	wire := l.wire()
	got, back, err := ask(around, l.connection, seconds)
	note("statement", wire.written, got, back, err)
	return err
}

func (l lease) Transaction(around context.Context, work func(rig.Sleeper) error) error {
	wire, got := l.wire(), int64(0)
	err := pgx.BeginFunc(around, l.connection, func(transaction pgx.Tx) error {
		return work(func(around context.Context, seconds float64) error {
			began, _, err := ask(around, transaction, seconds)
			got = began
			return err
		})
	})
	note("transaction", wire.written, got, rig.Now(), err)
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
	config.ConnConfig.DialFunc = dial
	// It pings what was idle for a second: that waits at the pooler like any other, and would be in no book.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false }
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

// The numbers in the row of our database of what the console shows.
func shown(console *pgxpool.Pool, what string) (map[string]int64, error) {
	rows, err := console.Query(context.Background(), "show "+what)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		// As text: some of the numbers are of the type numeric.
		values := rows.RawValues()
		if string(values[0]) != os.Getenv("PGDATABASE") {
			continue
		}
		number := map[string]int64{}
		for at, field := range rows.FieldDescriptions() {
			if value, err := strconv.ParseInt(string(values[at]), 10, 64); err == nil {
				number[field.Name] = value
			}
		}
		return number, nil
	}
	return nil, fmt.Errorf("show %s: nothing of this database", what)
}

// used, idle, waiting and total of the pool.
func counters(console *pgxpool.Pool) [4]string {
	own := [4]string{"-", "-", "-", "-"}
	number, err := shown(console, "pools")
	if err != nil {
		return own
	}
	used := number["sv_active"]
	idle := number["sv_idle"] + number["sv_used"] + number["sv_tested"]
	for at, value := range []int64{used, idle, number["cl_waiting"], used + idle + number["sv_login"]} {
		own[at] = fmt.Sprint(value)
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
		Account: func() (int64, int64, int64, error) {
			total, err := shown(console, "stats_totals")
			// A transaction's time begins when the client asks, before it waits.
			return total["wait_time"], total["xact_time"] - total["wait_time"], total["xact_count"], err
		},
	})
}
