//! Tests of what only the inside can see: the fast paths agree with the general ones.
