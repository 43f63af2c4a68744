//! Tests of commands as a whole.
mod growth;
