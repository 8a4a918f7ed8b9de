//! The room as a whole: texts in, what is said of them out.

mod said;
