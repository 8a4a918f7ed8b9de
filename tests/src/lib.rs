//! What needs a kernel, a server or a recorded stream.
