//! Real drivers, what they count of themselves, and the server's own books to compare with.

pub mod own;
