//! Virtual time over core and venue::engine: one thread, no sockets, deterministic by seed.
