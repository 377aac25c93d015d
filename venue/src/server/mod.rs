//! The protocol server: Binance USDS-M REST and WebSocket on loopback, plus the admin port.
