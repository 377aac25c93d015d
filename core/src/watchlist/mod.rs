//! Watchlist: ranking of tradable contracts by volatility against cost and liquidity, with hysteresis.
