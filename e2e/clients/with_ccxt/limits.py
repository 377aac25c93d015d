"""The request weight runs out."""

import ccxt


async def run(c, x, symbol):
    await x.load_markets()
    # A socket that is open before stays open.
    await x.fetch_order_book_ws(symbol, 1000)
    x.enableRateLimit = False
    async with c.raises("DDoSProtection: the minute's weight is used up", ccxt.DDoSProtection, "429", "-1003"):
        # Three times what a minute allows, as a minute may end meanwhile.
        for _ in range(400):
            await x.fapiPublicGetDepth({"symbol": c.mine["symbol"], "limit": 1000})
    async with c.raises("socket: RateLimitExceeded, the same weight", ccxt.RateLimitExceeded, "-1003"):
        for _ in range(400):
            await x.fetch_order_book_ws(symbol, 1000)
