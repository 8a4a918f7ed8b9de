// lib/pq through database/sql: unprepared, prepared, transactions and COPY. See own for what comes in and
// what goes out.
package main

import (
	"database/sql"
	"fmt"

	"github.com/lib/pq"

	"poolwatch/wire/own"
)

const (
	selectItem = "select name, amount from item where id = $1"
	insert     = "insert into event (item, body) values ($1, $2) returning id"
	update     = "update item set amount = amount + $1 where id = $2"
	remove     = "delete from event where item = $1 and id % 7 = 3"
	twice      = "insert into item (id, name) values ($1, $2)"
)

var books = own.New("lib/pq", "github.com/lib/pq")

type asker interface {
	Query(string, ...any) (*sql.Rows, error)
	Exec(string, ...any) (sql.Result, error)
}

func open(address string) *sql.DB {
	pool, err := sql.Open("postgres", address)
	own.Must(err)
	pool.SetMaxOpenConns(1)
	return pool
}

func run(on asker, text string, values ...any) {
	books.Call(1)
	own.Must(ask(on, text, values...))
}

func ask(on asker, text string, values ...any) error {
	rows, err := on.Query(text, values...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return rows.Err()
}

func transactions(pool *sql.DB) {
	books.Call(5)
	transaction, err := pool.Begin()
	own.Must(err)
	run(transaction, update, 1, books.Item())
	_, err = transaction.Exec("savepoint here")
	own.Must(err)
	books.Fails(ask(transaction, twice, 1, "there already"))
	_, err = transaction.Exec("rollback to savepoint here")
	own.Must(err)
	run(transaction, insert, books.Item(), "kept")
	own.Must(transaction.Commit())
	transaction, err = pool.Begin()
	own.Must(err)
	run(transaction, insert, books.Item(), "not kept")
	own.Must(transaction.Rollback())
}

func failures(pool *sql.DB) {
	books.Fails(ask(pool, "selec name from item where id = 3"))
	books.Fails(ask(pool, "select 1 / (id - id) from item where id = $1", books.Item()))
	books.Fails(ask(pool, twice, books.Item(), "there already"))
	books.Empty++
	_, err := pool.Exec("")
	own.Must(err)
	books.Call(3)
	_, err = pool.Exec("select 1; update item set note = 'n' where id = 5; select 'b'")
	own.Must(err)
	run(pool, "select id, repeat('wide', 20) from item, generate_series(1, 3)")
}

func mix(mode, address string, rounds int) {
	books.Begin(mode)
	pool := open(address)
	for number := range rounds {
		run(pool, selectItem, books.Item())
		run(pool, fmt.Sprintf("select id from item where id = %d", books.Item()))
		run(pool, insert, books.Item(), fmt.Sprintf("of round %d", number))
		run(pool, update, number, books.Item())
		run(pool, remove, books.Item())
		if number%5 == 0 {
			transactions(pool)
		}
		if number%20 == 0 {
			failures(pool)
		}
	}
	own.Must(pool.Close())
}

func prepared(rounds int) {
	books.Begin("prepared")
	pool := open(own.Address())
	for range rounds {
		one, err := pool.Prepare(selectItem)
		own.Must(err)
		other, err := pool.Prepare(update)
		own.Must(err)
		for n := range 20 {
			books.Call(2)
			rows, err := one.Query(books.Item())
			own.Must(err)
			for rows.Next() {
			}
			own.Must(rows.Err())
			_, err = other.Exec(n, books.Item())
			own.Must(err)
		}
		own.Must(one.Close())
		own.Must(other.Close())
	}
	own.Must(pool.Close())
}

func copies(rounds int) {
	books.Begin("copy")
	pool := open(own.Address())
	for range rounds {
		books.Call(3)
		transaction, err := pool.Begin()
		own.Must(err)
		statement, err := transaction.Prepare(pq.CopyIn("event", "item", "body"))
		own.Must(err)
		for n := range 200 {
			_, err = statement.Exec(n, "copied")
			own.Must(err)
		}
		_, err = statement.Exec()
		own.Must(err)
		own.Must(statement.Close())
		own.Must(transaction.Commit())
	}
	own.Must(pool.Close())
}

func durations() {
	pool := open(own.Address())
	for _, length := range own.Lengths {
		statement, err := pool.Prepare(length.SQL)
		own.Must(err)
		for range length.Times {
			own.Timed(length.What, func() {
				rows, err := statement.Query()
				own.Must(err)
				for rows.Next() {
				}
				own.Must(rows.Err())
			})
		}
		own.Must(statement.Close())
	}
	own.Must(pool.Close())
}

func main() {
	calls := own.Wanted()
	if own.Durations() {
		durations()
	} else {
		mix("parameters", own.Address(), calls/17)
		mix("binary parameters", own.Address()+" binary_parameters=yes", calls/17)
		prepared(calls / 400)
		copies(calls / 200)
	}
	books.Tell()
}
