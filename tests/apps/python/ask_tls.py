"""Asks a server behind TLS: VERSION (1.2 or 1.3), PORT, connections, requests on each. Standard library only."""

import socket
import ssl
import sys

version, port, connections, requests = sys.argv[1], *map(int, sys.argv[2:])
# Who the server is does not matter here: a certificate is made for each run.
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
for _ in range(connections):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port))) as peer:
        for _ in range(requests):
            peer.sendall(b"GET /query HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                answer += peer.recv(4096)
