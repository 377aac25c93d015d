//! What takes longer than `make test` has: run by `make soak`, one after the other (`--ignored --test-threads=1`).

mod kills;
mod latch;
mod lost;
mod upgrade;
