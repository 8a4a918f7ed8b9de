"""What a driver's program counts of itself, and where it is told to go.

In comes the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE as libpq reads them; WIRE_WHAT
(`calls` or `durations`), WIRE_CALLS (statements to make, about) and WIRE_SEED. Out goes one line of JSON.
"""

import json
import os
import random
import time

CALLS = int(os.environ.get("WIRE_CALLS", "10000"))
DURATIONS = os.environ.get("WIRE_WHAT") == "durations"
RANDOM = random.Random(int(os.environ.get("WIRE_SEED", "1")))

# What takes how long, and how often. The texts differ, and so do their fingerprints.
CHUNKS = "select repeat('x', 8000) as chunk, pg_sleep(0.002) from generate_series(1, 50)"
LENGTHS = [
    ("1 ms", "select pg_sleep(0.001) as ms1", 300),
    ("10 ms", "select pg_sleep(0.010) as ms10", 60),
    ("100 ms", "select pg_sleep(0.100) as ms100", 10),
    ("500 ms", "select pg_sleep(0.500) as ms500", 3),
    ("2 s", "select pg_sleep(2.000) as s2", 2),
    ("chunks", CHUNKS, 10),
]


class Own:
    """Statements that this program made, by its own count."""

    def __init__(self, driver, version):
        self.said = {"driver": driver, "version": version, "calls": 0, "errors": 0, "empty": 0, "modes": {}}
        self.mode = None

    def begin(self, mode):
        self.mode = mode
        self.said["modes"][mode] = 0

    def call(self, number=1):
        self.said["calls"] += number
        self.said["modes"][self.mode] += number

    def error(self):
        self.said["errors"] += 1

    def empty(self):
        self.said["empty"] += 1

    def tell(self):
        print(json.dumps(self.said), flush=True)


def timed(what, ask):
    began = time.monotonic_ns()
    ask()
    ended = time.monotonic_ns()
    print(f"took {began} {ended} {what}", flush=True)


async def timed_async(what, ask):
    began = time.monotonic_ns()
    await ask()
    ended = time.monotonic_ns()
    print(f"took {began} {ended} {what}", flush=True)


def item():
    return RANDOM.randrange(1, 1001)
