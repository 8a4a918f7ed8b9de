"""Processes that have nothing to do with PostgreSQL: files, TCP and UNIX sockets, as fast as asked.

Forks --processes children; each writes and reads a file and echoes bytes with itself over TCP on
127.0.0.1 and over a UNIX socket. Prints `running` when all have done a first round, and at SIGTERM
the number of rounds. Standard library only.
"""

import argparse
import os
import signal
import socket
import tempfile
import threading
import time


def echo(listener):
    peer, _ = listener.accept()
    while data := peer.recv(65536):
        peer.sendall(data)


def endpoint(family, address):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(1)
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    client = socket.socket(family, socket.SOCK_STREAM)
    client.connect(listener.getsockname())
    return client


def turn(client, data):
    client.sendall(data)
    left = len(data)
    while left:
        left -= len(client.recv(left))


def child(directory, pause, report, parent):
    # Not a threading.Event: its lock is not meant for signal handlers, and two signals may come.
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # Lengths that look like the head of a message, and text that looks like an answer's end.
    data = b"Q\x00\x00\x00\x10select 1;\x00" + b"Z\x00\x00\x00\x05I" + os.urandom(200)
    with tempfile.TemporaryDirectory(dir=directory) as own:
        tcp = endpoint(socket.AF_INET, ("127.0.0.1", 0))
        unix = endpoint(socket.AF_UNIX, os.path.join(own, "echo"))
        rounds = 0
        while not stopped and os.getppid() == parent:
            with open(os.path.join(own, "file"), "w+b") as file:
                file.write(data)
                file.seek(0)
                file.read()
            turn(tcp, data)
            turn(unix, data)
            rounds += 1
            if rounds == 1:
                os.write(report, b".")
            time.sleep(pause)
    os.write(report, f" {rounds}".encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--pause-ms", type=float, default=200.0)
    args = parser.parse_args()
    read, write = os.pipe()
    parent = os.getpid()
    # Blocked before the forks, so that sigwait below takes it and no child misses it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with tempfile.TemporaryDirectory() as directory:
        children = []
        for _ in range(args.processes):
            pid = os.fork()
            if pid == 0:
                os.close(read)
                child(directory, args.pause_ms / 1e3, write, parent)
                os._exit(0)
            children.append(pid)
        os.close(write)
        # One byte a child: a read may bring several.
        started = b""
        while started.count(b".") < args.processes:
            started += os.read(read, 4096)
        print("running", flush=True)
        signal.sigwait({signal.SIGTERM})
        for pid in children:
            os.kill(pid, signal.SIGTERM)
        for pid in children:
            os.waitpid(pid, 0)
        rest = b""
        while data := os.read(read, 65536):
            rest += data
        print(f"rounds {sum(map(int, rest.split()))}", flush=True)


if __name__ == "__main__":
    main()
