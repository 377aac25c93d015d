"""python-binance against the venue: `AsyncClient`, `BinanceSocketManager` and its WebSocket API."""
