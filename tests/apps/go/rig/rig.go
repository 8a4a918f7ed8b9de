// Package rig is what the rigs in Go share: a small web server that borrows from a real pool, and the truth about
// each borrower.
//
// A page says how long everything takes: `ms` the query (for `/tx` and `/held` halved round a pause of `gap`),
// `pre` before the pool is asked, `post` after the connection is back; all in milliseconds.
// GET /truth   `S at used idle waiting total` each 10 ms by the library's own count, `-` where it has none;
// `B asked got back route end` for each borrower; `W at waited borrowers`, what the library counted of all waits so far
// (in microseconds) whenever this page was asked for. Nanoseconds of CLOCK_MONOTONIC.
package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Lease is a borrowed connection.
type Lease interface {
	// Sleep runs one query of that many seconds.
	Sleep(context.Context, float64) error
	// Transaction runs the work between BEGIN and COMMIT.
	Transaction(context.Context, func(Sleeper) error) error
	Release()
}

// Sleeper runs one query of that many seconds.
type Sleeper func(context.Context, float64) error

// Pool is the library's side.
type Pool struct {
	Acquire func(context.Context) (Lease, error)
	// Counters are used, idle, waiting and total.
	Counters func() [4]string
	// Silent pools note their borrowers themselves.
	Silent bool
	// Account is what the library counted so far of all waits, of all use, both in microseconds, and of how many borrowers;
	// nil if it does not.
	Account func() (int64, int64, int64, error)
}

var (
	lock sync.Mutex
	rows []string
	pool Pool
)

// Now is CLOCK_MONOTONIC in nanoseconds.
func Now() int64 {
	var time unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &time); err != nil {
		panic(err)
	}
	return time.Nano()
}

// Number is a variable of the environment.
func Number(name string, otherwise int) int {
	if number, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return number
	}
	return otherwise
}

// Text is a variable of the environment.
func Text(name, otherwise string) string {
	if text := os.Getenv(name); text != "" {
		return text
	}
	return otherwise
}

// Note keeps a row.
func Note(row string) {
	lock.Lock()
	rows = append(rows, row)
	lock.Unlock()
}

func sample() {
	for range time.Tick(10 * time.Millisecond) {
		own := pool.Counters()
		Note(fmt.Sprintf("S %d %s", Now(), strings.Join(own[:], " ")))
	}
}

func pause(ms float64) {
	time.Sleep(time.Duration(ms * float64(time.Millisecond)))
}

func borrow(route string, work func(context.Context, Lease) error) error {
	everything := context.Background()
	patience := time.Duration(Number("ACQUIRE_TIMEOUT_MS", 30000)) * time.Millisecond
	patient, cancel := context.WithTimeout(everything, patience)
	defer cancel()
	asked := Now()
	lease, err := pool.Acquire(patient)
	got := Now()
	if err != nil {
		end := "error"
		if errors.Is(err, context.DeadlineExceeded) {
			end = "timeout"
		}
		Note(fmt.Sprintf("B %d %d 0 %s %s", asked, got, route, end))
		return err
	}
	defer func() {
		lease.Release()
		if !pool.Silent {
			Note(fmt.Sprintf("B %d %d %d %s ok", asked, got, Now(), route))
		}
	}()
	return work(everything, lease)
}

func halves(context context.Context, sleep Sleeper, ms, gap float64) error {
	if err := sleep(context, ms/2000); err != nil {
		return err
	}
	pause(gap)
	return sleep(context, ms/2000)
}

func shape(route string, ms, gap float64) error {
	switch route {
	case "none":
		pause(ms)
		return nil
	case "plain":
		return borrow(route, func(c context.Context, lease Lease) error { return lease.Sleep(c, ms/1000) })
	case "tx":
		return borrow(route, func(c context.Context, lease Lease) error {
			return lease.Transaction(c, func(sleep Sleeper) error { return halves(c, sleep, ms, gap) })
		})
	case "held":
		return borrow(route, func(c context.Context, lease Lease) error { return halves(c, lease.Sleep, ms, gap) })
	case "two":
		return borrow(route, func(c context.Context, lease Lease) error {
			if err := lease.Sleep(c, ms/2000); err != nil {
				return err
			}
			return borrow("two-second", func(c context.Context, other Lease) error { return other.Sleep(c, ms/2000) })
		})
	}
	return fmt.Errorf("no page %s", route)
}

func answer(response http.ResponseWriter, request *http.Request) {
	number := func(name string) float64 {
		value, _ := strconv.ParseFloat(request.URL.Query().Get(name), 64)
		return value
	}
	pause(number("pre"))
	if err := shape(request.URL.Path[1:], number("ms"), number("gap")); err != nil {
		http.Error(response, err.Error(), http.StatusServiceUnavailable)
		return
	}
	pause(number("post"))
	fmt.Fprint(response, "ok")
}

func truth(response http.ResponseWriter, _ *http.Request) {
	if pool.Account != nil {
		waited, used, borrowers, err := pool.Account()
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		Note(fmt.Sprintf("W %d %d %d %d", Now(), waited, used, borrowers))
	}
	lock.Lock()
	text := strings.Join(rows, "\n") + "\n"
	lock.Unlock()
	response.Header().Set("Content-Length", strconv.Itoa(len(text)))
	fmt.Fprint(response, text)
}

// FreePort is one that nobody listens on.
func FreePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// Serve answers until the process is ended.
func Serve(of Pool) {
	pool = of
	go sample()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", Number("PORT", 0)))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/", answer)
	http.HandleFunc("/truth", truth)
	panic(http.Serve(listener, nil))
}
