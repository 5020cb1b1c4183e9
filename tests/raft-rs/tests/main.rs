//! All tests of the crate, in one program.

mod control;
mod convert;
mod lockstep;
mod mixed;
mod scenarios;
mod table;
