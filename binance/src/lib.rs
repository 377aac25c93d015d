//! Binance USDS-M futures adapter: REST, streams, signing, rate budget, error taxonomy.

pub mod decode;
