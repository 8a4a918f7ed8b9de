//! Real drivers, what they count of themselves, and the server's own books to compare with.

pub mod books;
pub mod certificate;
pub mod coverage;
pub mod driver;
pub mod log;
pub mod own;
pub mod run;
pub mod seen;
pub mod sql;
