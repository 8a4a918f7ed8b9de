"""A context for drivers whose TLS is GnuTLS's, as Python's own is OpenSSL's: as much of it as a driver of PostgreSQL needs.

The library uses the socket itself, in its calls. Nothing of the server's certificate is looked at."""

import ctypes
import io
import sys

CLIENT = 1 << 1
CERTIFICATE = 1
AGAIN = (-28, -52)  # GNUTLS_E_AGAIN and GNUTLS_E_INTERRUPTED

try:
    library = ctypes.CDLL("libgnutls.so.30")
except OSError as error:
    sys.exit(f"no GnuTLS: {error}")
for name in ("gnutls_record_recv", "gnutls_record_send"):
    function = getattr(library, name)
    function.restype = ctypes.c_ssize_t
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
library.gnutls_transport_set_int2.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
library.gnutls_set_default_priority.argtypes = [ctypes.c_void_p]
library.gnutls_credentials_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
library.gnutls_handshake.argtypes = [ctypes.c_void_p]
library.gnutls_bye.argtypes = [ctypes.c_void_p, ctypes.c_int]
library.gnutls_deinit.argtypes = [ctypes.c_void_p]


def checked(code):
    if code < 0:
        raise OSError(f"GnuTLS: {code}")
    return code


def whole(call, *arguments):
    while (result := call(*arguments)) in AGAIN:
        pass
    return checked(result)


class Session(io.RawIOBase):
    def __init__(self, socket):
        self.socket = socket
        self.session, self.credentials = ctypes.c_void_p(), ctypes.c_void_p()
        checked(library.gnutls_init(ctypes.byref(self.session), CLIENT))
        checked(library.gnutls_set_default_priority(self.session))
        checked(library.gnutls_certificate_allocate_credentials(ctypes.byref(self.credentials)))
        checked(library.gnutls_credentials_set(self.session, CERTIFICATE, self.credentials))
        library.gnutls_transport_set_int2(self.session, socket.fileno(), socket.fileno())
        whole(library.gnutls_handshake, self.session)

    def readable(self):
        return True

    def writable(self):
        return True

    def readinto(self, buffer):
        room = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        return whole(library.gnutls_record_recv, self.session, room, len(buffer))

    def write(self, data):
        data = bytes(data)
        return whole(library.gnutls_record_send, self.session, data, len(data))

    def makefile(self, mode):
        return io.BufferedRWPair(self, self, 1 << 16)

    def close(self):
        if self.session:
            library.gnutls_bye(self.session, 1)
            library.gnutls_deinit(self.session)
            self.session = None
            self.socket.close()
        super().close()


class Context:
    def wrap_socket(self, socket, server_hostname=None):
        return Session(socket)
