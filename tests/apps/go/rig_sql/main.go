// The rig of database/sql over lib/pq, or over pgx with DRIVER=pgx. See rig for what comes in and what goes out.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"poolwatch/wire/rig"
)

const sleep = "select pg_sleep($1)"

type lease struct{ connection *sql.Conn }

func (l lease) Sleep(context context.Context, seconds float64) error {
	_, err := l.connection.ExecContext(context, sleep, seconds)
	return err
}

func (l lease) Transaction(around context.Context, work func(rig.Sleeper) error) error {
	transaction, err := l.connection.BeginTx(around, nil)
	if err != nil {
		return err
	}
	err = work(func(context context.Context, seconds float64) error {
		_, err := transaction.ExecContext(context, sleep, seconds)
		return err
	})
	if err != nil {
		_ = transaction.Rollback()
		return err
	}
	return transaction.Commit()
}

func (l lease) Release() {
	_ = l.connection.Close()
}

func open() *sql.DB {
	driver := "postgres"
	if os.Getenv("DRIVER") == "pgx" {
		driver = "pgx"
	}
	// Address, port, user and database come from PG* in the environment.
	db, err := sql.Open(driver, "sslmode="+rig.Text("PGSSLMODE", "disable"))
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(rig.Number("POOL", 10))
	db.SetMaxIdleConns(rig.Number("POOL", 10))
	return db
}

func main() {
	db := open()
	rig.Serve(rig.Pool{
		Acquire: func(context context.Context) (rig.Lease, error) {
			connection, err := db.Conn(context)
			return lease{connection}, err
		},
		Counters: func() [4]string {
			own := db.Stats()
			return [4]string{fmt.Sprint(own.InUse), fmt.Sprint(own.Idle), "-", fmt.Sprint(own.OpenConnections)}
		},
	})
}
