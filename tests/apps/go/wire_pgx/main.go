// pgx in every mode in which it executes queries, its batches and its COPY. See own for what comes in and
// what goes out.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"poolwatch/wire/own"
)

const (
	selectItem = "select name, amount from item where id = $1"
	selectSome = "select id, name from item where amount between $1 and $2 order by id limit 50"
	insert     = "insert into event (item, body) values ($1, $2) returning id"
	update     = "update item set amount = amount + $1 where id = $2"
	remove     = "delete from event where item = $1 and id % 7 = 3"
	twice      = "insert into item (id, name) values ($1, $2)"
)

var (
	books   = own.New("pgx", "github.com/jackc/pgx/v5")
	nowhere = context.Background()
	modes   = []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	undone = errors.New("undone")
)

type asker interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}

func connect(mode pgx.QueryExecMode) *pgx.Conn {
	config, err := pgx.ParseConfig(own.Address())
	own.Must(err)
	config.DefaultQueryExecMode = mode
	connection, err := pgx.ConnectConfig(nowhere, config)
	own.Must(err)
	return connection
}

func run(on asker, sql string, values ...any) {
	books.Call(1)
	own.Must(ask(on, sql, values...))
}

func ask(on asker, sql string, values ...any) error {
	rows, err := on.Query(nowhere, sql, values...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if _, err := rows.Values(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func transactions(connection *pgx.Conn) {
	books.Call(5)
	own.Must(pgx.BeginFunc(nowhere, connection, func(transaction pgx.Tx) error {
		run(transaction, update, 1, books.Item())
		err := pgx.BeginFunc(nowhere, transaction, func(inner pgx.Tx) error {
			_, err := inner.Exec(nowhere, twice, 1, "there already")
			return err
		})
		books.Fails(err)
		run(transaction, insert, books.Item(), "kept")
		return nil
	}))
	err := pgx.BeginFunc(nowhere, connection, func(transaction pgx.Tx) error {
		run(transaction, insert, books.Item(), "not kept")
		return undone
	})
	if !errors.Is(err, undone) {
		panic(err)
	}
}

func failures(connection *pgx.Conn) {
	books.Fails(ask(connection, "selec name from item where id = 3"))
	books.Fails(ask(connection, "select 1 / (id - id) from item where id = $1", books.Item()))
	books.Fails(ask(connection, twice, books.Item(), "there already"))
	books.Empty++
	_, err := connection.Exec(nowhere, "")
	own.Must(err)
	books.Call(3)
	several := fmt.Sprintf("select %d; update item set note = 'n' where id = %d; select 'b'", books.Item(), books.Item())
	_, err = connection.PgConn().Exec(nowhere, several).ReadAll()
	own.Must(err)
	run(connection, "select id, repeat('wide', 20) from item, generate_series(1, 3)")
}

func mix(connection *pgx.Conn, rounds int) {
	for number := range rounds {
		run(connection, selectItem, books.Item())
		run(connection, selectSome, books.Item(), books.Item())
		run(connection, insert, books.Item(), fmt.Sprintf("it's round %d", number))
		run(connection, update, number, books.Item())
		run(connection, remove, books.Item())
		if number%5 == 0 {
			transactions(connection)
		}
		if number%20 == 0 {
			failures(connection)
		}
	}
}

func batches(mode pgx.QueryExecMode, rounds int) {
	books.Begin("batch, " + mode.String())
	connection := connect(mode)
	for number := range rounds {
		books.Call(40)
		batch := &pgx.Batch{}
		for range 20 {
			batch.Queue(selectItem, books.Item())
			batch.Queue(update, 1, books.Item())
		}
		own.Must(connection.SendBatch(nowhere, batch).Close())
		if number%5 == 0 {
			broken := &pgx.Batch{}
			// By the simple protocol all of these are one text, which says how many complete.
			broken.Queue("/* completes 1 */ "+selectItem, books.Item())
			broken.Queue("select 1 / (id - 1) from item where id = $1", 1)
			broken.Queue(selectItem, books.Item())
			books.Call(1)
			books.Fails(connection.SendBatch(nowhere, broken).Close())
		}
	}
	own.Must(connection.Close(nowhere))
}

// Several queries in flight on one connection, each with its own Sync.
func pipelines(rounds int) {
	books.Begin("pipeline")
	connection := connect(pgx.QueryExecModeCacheStatement)
	for range rounds {
		pipeline := connection.PgConn().StartPipeline(nowhere)
		for n := range 10 {
			books.Call(1)
			pipeline.SendQueryParams(selectItem, [][]byte{[]byte("7")}, nil, nil, nil)
			if n%3 == 0 {
				own.Must(pipeline.Sync())
			}
		}
		own.Must(pipeline.Sync())
		own.Must(pipeline.Close())
	}
	own.Must(connection.Close(nowhere))
}

func copies(rounds int) {
	books.Begin("copy")
	connection := connect(pgx.QueryExecModeCacheStatement)
	for range rounds {
		// It prepares a SELECT of the columns, which is not executed.
		books.Call(1)
		source := pgx.CopyFromSlice(200, func(n int) ([]any, error) { return []any{n, "copied"}, nil })
		_, err := connection.CopyFrom(nowhere, pgx.Identifier{"event"}, []string{"item", "body"}, source)
		own.Must(err)
	}
	own.Must(connection.Close(nowhere))
}

func together(workers, each int) {
	books.Begin("connections at once")
	books.Call(workers * each)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			connection := connect(pgx.QueryExecModeCacheStatement)
			for n := range each {
				own.Must(ask(connection, selectItem, n))
			}
			own.Must(connection.Close(nowhere))
		})
	}
	group.Wait()
}

func durations() {
	connection := connect(pgx.QueryExecModeCacheStatement)
	for _, length := range own.Lengths {
		own.Must(ask(connection, length.SQL))
		for range length.Times {
			own.Timed(length.What, func() { own.Must(ask(connection, length.SQL)) })
		}
	}
	own.Must(connection.Close(nowhere))
}

func main() {
	calls := own.Wanted()
	if own.Durations() {
		durations()
	} else {
		for _, mode := range modes {
			books.Begin(mode.String())
			connection := connect(mode)
			mix(connection, calls/50)
			own.Must(connection.Close(nowhere))
			batches(mode, calls/1000)
		}
		pipelines(calls / 200)
		copies(calls / 200)
		together(4, calls/50)
	}
	books.Tell()
}
