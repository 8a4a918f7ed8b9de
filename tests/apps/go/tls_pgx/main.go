// Speaks through pgx over TLS, in steps that the test tells: `open`, `bind`, `run`, `end`. The address comes from PG*
// variables. After each step its name is printed.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"sync"

	"github.com/jackc/pgx/v5"

	"poolwatch/wire/own"
)

const each = 100

var nowhere = context.Background()

func open() *pgx.Conn {
	connection, err := pgx.Connect(nowhere, "sslmode=require")
	own.Must(err)
	return connection
}

func say(connection *pgx.Conn, text string, values ...any) {
	rows, err := connection.Query(nowhere, text, values...)
	own.Must(err)
	for rows.Next() {
	}
	own.Must(rows.Err())
}

func work(connection *pgx.Conn) {
	for number := range each {
		say(connection, "select $1::int + 1", number)
		say(connection, "select 'planted literal', 2")
	}
	say(connection, "select * from generate_series(1, 20000)")
}

// The same library speaks another protocol.
func other() {
	unchecked := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if answer, err := (&http.Client{Transport: unchecked}).Get(os.Getenv("OTHER")); err == nil {
		answer.Body.Close()
	}
}

func run(first *pgx.Conn) {
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			connection := first
			if n > 0 {
				connection = open()
				defer connection.Close(nowhere)
			}
			other()
			work(connection)
		})
	}
	all.Wait()
}

func main() {
	var first *pgx.Conn
	steps := bufio.NewScanner(os.Stdin)
	for steps.Scan() {
		switch steps.Text() {
		case "open":
			first = open()
			say(first, "select 'opened'")
		case "bind":
			for range 5 {
				say(first, "select 'bound'")
			}
		case "run":
			run(first)
		case "end":
			own.Must(first.Close(nowhere))
		}
		fmt.Println(steps.Text())
	}
}
