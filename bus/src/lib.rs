//! Transports of core's messages: in-process now, NATS behind the same trait.
