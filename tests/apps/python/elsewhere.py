"""Speaks TLS to itself, in steps that the test tells: `open`, `talk`. No PostgreSQL anywhere.

argv: the certificate and its key. After each step its name is printed."""

import socket
import ssl
import sys
import threading


def answer(listener, context):
    peer, _ = listener.accept()
    listener.close()
    with context.wrap_socket(peer, server_side=True) as peer:
        while peer.recv(1000):
            peer.sendall(b"a" * 300)


def main():
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(sys.argv[1], sys.argv[2])
    theirs = ssl.create_default_context()
    theirs.check_hostname = False
    theirs.verify_mode = ssl.CERT_NONE
    listener = socket.create_server(("127.0.0.1", 0))
    client = None
    for line in sys.stdin:
        step = line.strip()
        if step == "open":
            threading.Thread(target=answer, args=(listener, own), daemon=True).start()
            client = theirs.wrap_socket(socket.create_connection(listener.getsockname()))
            client.sendall(b"first")
            client.recv(1000)
        elif step == "talk":
            for _ in range(100):
                client.sendall(b"question")
                client.recv(1000)
        print(step, flush=True)


main()
