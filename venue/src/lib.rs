//! Simulated USDS-M exchange: pure engine, market sources, a server that speaks Binance's protocol.
