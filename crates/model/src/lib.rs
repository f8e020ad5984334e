//! The rules: what may be, what is, what must be done. No I/O, no clock, no
//! randomness, no async.

pub mod ids;
pub mod plan;
pub mod spec;
