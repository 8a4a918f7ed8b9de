"""Open-loop load: requests arrive when they arrive, whether or not earlier ones are answered.

Arrivals are a Poisson process; each request asks for a query of exponentially distributed length, so a
pool of N behind it is an M/M/N queue. Prints one JSON summary. Standard library only.
"""

import argparse
import asyncio
import json
import random
import time
from urllib.parse import urlsplit


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="page that takes ?ms=, such as http://127.0.0.1:8080/query")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--mean-ms", type=float, default=30.0, help="mean length of a query")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Load:
    def __init__(self, args):
        url = urlsplit(args.url)
        self.host, self.port, self.path = url.hostname, url.port, url.path
        self.free = []
        self.times = []
        self.errors = []

    async def request(self, milliseconds):
        began = time.monotonic()
        try:
            reader, writer = self.free.pop() if self.free else await asyncio.open_connection(self.host, self.port)
            status = await self.ask(reader, writer, milliseconds)
            self.free.append((reader, writer))
            if status != 200:
                self.errors.append(f"status {status}")
        except (OSError, EOFError, ValueError) as error:
            self.errors.append(repr(error))
        self.times.append(time.monotonic() - began)

    async def ask(self, reader, writer, milliseconds):
        line = f"GET {self.path}?ms={milliseconds:.3f} HTTP/1.1\r\nHost: {self.host}\r\n\r\n"
        writer.write(line.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if "content-length:" in head:
            await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
        else:  # chunked, in one piece
            await reader.readuntil(b"0\r\n\r\n")
        return int(head.split()[1])


async def run(args):
    load, rng = Load(args), random.Random(args.seed)
    tasks = set()
    began = time.monotonic()
    due = began
    while True:
        due += rng.expovariate(args.rate)
        if due > began + args.seconds:
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(load.request(rng.expovariate(1 / args.mean_ms)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks)
    times = sorted(load.times)
    return {
        "requests": len(times),
        "errors": len(load.errors),
        "first_error": load.errors[0] if load.errors else None,
        "rate": len(times) / args.seconds,
        "mean_ms": 1e3 * sum(times) / max(1, len(times)),
        "p95_ms": 1e3 * times[int(0.95 * len(times))] if times else 0.0,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(arguments()))))
