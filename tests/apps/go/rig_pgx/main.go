// The rig of pgxpool. See rig for what comes in and what goes out.
package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"poolwatch/wire/rig"
)

type lease struct{ connection *pgxpool.Conn }

type executor interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}

func on(executor executor) rig.Sleeper {
	return func(context context.Context, seconds float64) error {
		_, err := executor.Exec(context, "select pg_sleep($1)", seconds)
		return err
	}
}

func (l lease) Sleep(context context.Context, seconds float64) error {
	return on(l.connection)(context, seconds)
}

func (l lease) Transaction(context context.Context, work func(rig.Sleeper) error) error {
	return pgx.BeginFunc(context, l.connection, func(transaction pgx.Tx) error { return work(on(transaction)) })
}

func (l lease) Release() {
	l.connection.Release()
}

func main() {
	// Address, port, user and database come from PG* in the environment.
	config, err := pgxpool.ParseConfig("sslmode=" + rig.Text("PGSSLMODE", "disable"))
	if err != nil {
		panic(err)
	}
	config.MaxConns = int32(rig.Number("POOL", 10))
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		panic(err)
	}
	rig.Serve(rig.Pool{
		Acquire: func(context context.Context) (rig.Lease, error) {
			connection, err := pool.Acquire(context)
			return lease{connection}, err
		},
		Counters: func() [4]string {
			own := pool.Stat()
			used, idle := fmt.Sprint(own.AcquiredConns()), fmt.Sprint(own.IdleConns())
			return [4]string{used, idle, "-", fmt.Sprint(own.TotalConns())}
		},
	})
}
