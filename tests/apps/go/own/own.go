// Package own is what a driver's program counts of itself, and where it is told to go.
//
// In comes the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE; WIRE_WHAT (`calls` or
// `durations`), WIRE_CALLS (statements to make, about) and WIRE_SEED. Out goes one line of JSON.
package own

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// Length is a query of a known length, and how often it is asked.
type Length struct {
	What  string
	SQL   string
	Times int
}

// Lengths differ in their texts, and so in their fingerprints.
var Lengths = []Length{
	{"1 ms", "select pg_sleep(0.001) as ms1", 300},
	{"10 ms", "select pg_sleep(0.010) as ms10", 60},
	{"100 ms", "select pg_sleep(0.100) as ms100", 10},
	{"500 ms", "select pg_sleep(0.500) as ms500", 3},
	{"2 s", "select pg_sleep(2.000) as s2", 2},
	{"chunks", "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)", 10},
}

// Own counts statements that this program made.
type Own struct {
	Driver  string         `json:"driver"`
	Version string         `json:"version"`
	Calls   int            `json:"calls"`
	Errors  int            `json:"errors"`
	Empty   int            `json:"empty"`
	Modes   map[string]int `json:"modes"`
	mode    string
	random  *rand.Rand
}

// New begins to count; the version is that of the module as it was built.
func New(driver, module string) *Own {
	own := &Own{Driver: driver, Modes: map[string]int{}, random: rand.New(rand.NewSource(int64(number("WIRE_SEED", 1))))}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				own.Version = dependency.Version
			}
		}
	}
	return own
}

func number(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

// Wanted is about how many statements to make.
func Wanted() int { return number("WIRE_CALLS", 10000) }

// Durations are wanted instead.
func Durations() bool { return os.Getenv("WIRE_WHAT") == "durations" }

// Address is a connection string, which both drivers read as libpq does.
func Address() string {
	if mode := os.Getenv("PGSSLMODE"); mode != "" {
		return "sslmode=" + mode
	}
	return "sslmode=disable"
}

// Begin begins a mode.
func (own *Own) Begin(mode string) {
	own.mode = mode
	own.Modes[mode] = 0
}

// Call counts statements.
func (own *Own) Call(number int) {
	own.Calls += number
	own.Modes[own.mode] += number
}

// Item is some item's id.
func (own *Own) Item() int { return 1 + own.random.Intn(1000) }

// Fails counts a call that must fail.
func (own *Own) Fails(err error) {
	if err == nil {
		panic("a call did not fail")
	}
	own.Errors++
}

// Timed prints CLOCK_MONOTONIC around a call.
func Timed(what string, ask func()) {
	began := monotonic()
	ask()
	ended := monotonic()
	fmt.Printf("took %d %d %s\n", began, ended, what)
}

func monotonic() int64 {
	var time unix.Timespec
	Must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &time))
	return time.Nano()
}

// Must ends the program on an error.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Tell prints the counts.
func (own *Own) Tell() {
	line, err := json.Marshal(own)
	Must(err)
	fmt.Println(string(line))
}
