//! Shell around core::trader: streams in, orders out.
