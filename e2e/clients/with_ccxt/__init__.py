"""ccxt against the venue: REST, streams and the WebSocket API of `ccxt.pro.binanceusdm`."""
