"""A server whose ways with a request are chosen by the request: for what probes of demands may meet.

It holds one connection to PostgreSQL, made by hand (trust, no password), and prints `listening PORT PATH`; with
CERTIFICATE (PEM, with its key) it speaks TLS on PORT.
Standard library only.

/query       one `select 1` on its connection, then 200
/continue    100 Continue, reads the body, 200
/early       200 before the body is read, `done` after it
/upgrade     101 Switching Protocols, then echoes whatever comes
/events      200, then three pieces of a stream
/byte        200; from then on the first byte of each request of this connection is read alone
/silent      closes without a response
anything else: 200
Where a connection does not speak HTTP/1, each piece that is read is answered by `ok`.
"""

import os
import socket
import ssl
import struct
import sys
import threading
import time


class Database:
    def __init__(self):
        self.lock = threading.Lock()
        self.socket = socket.create_connection((os.environ["PGHOST"], int(os.environ["PGPORT"])))
        user, database = os.environ["PGUSER"].encode(), os.environ["PGDATABASE"].encode()
        body = struct.pack("!i", 3 << 16) + b"user\0" + user + b"\0database\0" + database + b"\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.ready()

    def ready(self):
        kept = b""
        while not (kept[-6:-1] == b"Z\0\0\0\x05" and kept[-1:] in (b"I", b"T", b"E")):
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError("the server is gone")
            kept += piece

    def query(self, text):
        with self.lock:
            body = text.encode() + b"\0"
            self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
            self.ready()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Conversation:
    """One accepted connection."""

    def __init__(self, peer, database):
        self.peer, self.database = peer, database
        self.kept = b""
        self.bytewise = False

    def more(self, size=65536):
        piece = self.peer.recv(size)
        self.kept += piece
        return bool(piece)

    def until(self, end):
        while end not in self.kept:
            if not self.more():
                raise EOFError
        head, self.kept = self.kept.split(end, 1)
        return head

    def body(self, size):
        while len(self.kept) < size:
            if not self.more():
                raise EOFError
        self.kept = self.kept[size:]

    def run(self):
        try:
            while True:
                if not self.kept and not self.more(1 if self.bytewise else 65536):
                    return
                if not self.kept[:1].isupper() or self.kept.startswith(b"PRI * HTTP/2.0"):
                    self.kept = b""
                    self.peer.sendall(b"ok")
                    continue
                if self.answer(self.until(b"\r\n\r\n").decode()):
                    return
        except (EOFError, OSError):
            pass
        finally:
            self.peer.close()

    def answer(self, head):
        lines = head.split("\r\n")
        path = (lines[0].split() + ["", ""])[1]
        length = sum(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
        if path not in ("/continue", "/early"):
            self.body(length)
        if path.startswith("/query"):
            self.database.query("select 1")
        elif path == "/silent":
            return True
        elif path == "/continue":
            self.peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.body(length)
            time.sleep(0.02)
        elif path == "/upgrade":
            self.peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
            while self.more():
                self.peer.sendall(self.kept)
                self.kept = b""
            return True
        elif path == "/byte":
            self.bytewise = True
        self.peer.sendall(OK)
        if path == "/early":
            self.body(length)
            self.peer.sendall(b"done")
        if path == "/events":
            for _ in range(3):
                self.peer.sendall(b"data: more\n\n")
        return False


def converse(peer, database, encryption):
    try:
        peer = encryption.wrap_socket(peer, server_side=True) if encryption else peer
        Conversation(peer, database).run()
    except OSError:
        pass


def serve(listener, database, encryption=None):
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=converse, args=(peer, database, encryption), daemon=True).start()


def main():
    database = Database()
    tcp = socket.create_server(("127.0.0.1", 0))
    path = os.path.join(sys.argv[1], "asked")
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    local.bind(path)
    local.listen()
    threading.Thread(target=serve, args=(local, database), daemon=True).start()
    print(f"listening {tcp.getsockname()[1]} {path}", flush=True)
    encryption = None
    if "CERTIFICATE" in os.environ:
        encryption = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        encryption.load_cert_chain(os.environ["CERTIFICATE"])
    serve(tcp, database, encryption)


if __name__ == "__main__":
    main()
