//! All tests of the crate, in one program.

mod api;
mod control;
mod convert;
mod lockstep;
mod mixed;
mod scenarios;
mod table;
