"""Market data: what a strategy reads before it trades, by REST and by stream."""

from checks import dec, holds, same, until

# Events that the watched book must stay whole over.
EVENTS = 40
DEPTH = 20


def whole(book):
    """Sorted and uncrossed, without an empty level."""
    bids, asks = [list(x) for x in book["bids"]], [list(x) for x in book["asks"]]
    holds("levels on both sides", len(bids) >= DEPTH and len(asks) >= DEPTH, len(bids), len(asks))
    holds("bids fall", all(a[0] > b[0] for a, b in zip(bids, bids[1:])), bids)
    holds("asks rise", all(a[0] < b[0] for a, b in zip(asks, asks[1:])), asks)
    holds("the book is not crossed", bids[0][0] < asks[0][0], bids[0], asks[0])
    holds("no empty level", all(x[1] > 0 for x in bids + asks), bids, asks)


def best(book):
    """The best levels of both sides, as they may be compared."""
    return [[[float(v) for v in level[:2]] for level in book[side][:DEPTH]] for side in ("bids", "asks")]


async def run(c, x, symbol):
    async with c.check("load markets"):
        await x.load_markets()
        raw = {s["symbol"]: s for s in (await x.fapiPublicGetExchangeInfo())["symbols"]}
        m = x.market(symbol)
        filters = {f["filterType"]: f for f in raw[m["id"]]["filters"]}
        same("tick", dec(m["precision"]["price"]), dec(filters["PRICE_FILTER"]["tickSize"]).normalize())
        same("step", dec(m["precision"]["amount"]), dec(filters["LOT_SIZE"]["stepSize"]).normalize())
        same("least notional", dec(m["limits"]["cost"]["min"]), dec(filters["MIN_NOTIONAL"]["notional"]))
        same("kind", (m["swap"], m["linear"], m["settle"], m["contractSize"], m["active"]), (True, True, "USDT", 1, True))
        same("all contracts", len(x.markets), len(raw))

    async with c.check("server time"):
        holds("within a second of ours", abs(await x.fetch_time() - x.milliseconds()) < 1000, await x.fetch_time())

    async with c.check("order book"):
        book = await x.fetch_order_book(symbol, 100)
        whole(book)
        holds("update id and time", book["nonce"] > 0 and book["timestamp"] > 0, book["nonce"], book["timestamp"])

    async with c.check("klines"):
        rows = await x.fetch_ohlcv(symbol, "1m", limit=50)
        same("count", len(rows), 50)
        same("a minute apart", {b[0] - a[0] for a, b in zip(rows, rows[1:])}, {60_000})
        holds("low and high", all(r[3] <= min(r[1], r[4]) and r[2] >= max(r[1], r[4]) for r in rows), rows)

    async with c.check("ticker"):
        t = await x.fetch_ticker(symbol)
        holds("last within low and high", 0 < t["low"] <= t["last"] <= t["high"], t["low"], t["last"], t["high"])
        ba = (await x.fetch_bids_asks([symbol]))[symbol]
        holds("bid below ask", 0 < ba["bid"] < ba["ask"], ba["bid"], ba["ask"])

    async with c.check("trades"):
        # A market that has only begun has had none.
        trades = await until("trades", lambda: x.fetch_trades(symbol, limit=50))
        same("in order", trades, sorted(trades, key=lambda t: t["timestamp"]))
        holds("price, amount, side", all(t["price"] > 0 and t["amount"] > 0 and t["side"] in ("buy", "sell") for t in trades), trades[0])

    async with c.check("funding and mark price"):
        f = await x.fetch_funding_rate(symbol)
        holds("mark price and next funding", f["markPrice"] > 0 and f["fundingTimestamp"] > x.milliseconds(), f)

    async with c.check("watched book stays whole"):
        last = 0
        for _ in range(EVENTS):
            book = await x.watch_order_book(symbol)
            whole(book)
            holds("update ids rise", book["nonce"] > last, last, book["nonce"])
            last = book["nonce"]

    async with c.check("watched book is the book of REST"):

        async def both():
            """One update id of which both books are known: REST is asked, then the stream must come by it."""
            theirs = await x.fetch_order_book(symbol, 100)
            seen = x.orderbooks[symbol]
            while seen["nonce"] < theirs["nonce"]:
                seen = await x.watch_order_book(symbol)
            if seen["nonce"] != theirs["nonce"]:
                return None
            return best(seen), best(theirs)

        ours, theirs = await until("one update id in both", both)
        same("levels", ours, theirs)

    async with c.check("watch trades"):
        trades = await x.watch_trades(symbol)
        t = trades[-1]
        holds("price, amount, time", t["symbol"] == symbol and t["price"] > 0 and t["amount"] > 0, t)
        near = (await x.fetch_ticker(symbol))["last"]
        holds("near the last price", abs(t["price"] / near - 1) < 0.05, t["price"], near)

    async with c.check("watch ticker"):
        t = await x.watch_ticker(symbol)
        holds("last within low and high", 0 < t["low"] <= t["last"] <= t["high"], t)

    async with c.check("watch tickers"):
        t = (await x.watch_tickers([symbol]))[symbol]
        holds("a price", t["last"] > 0, t)

    async with c.check("watch best bid and ask"):
        t = (await x.watch_bids_asks([symbol]))[symbol]
        holds("bid below ask", 0 < t["bid"] < t["ask"], t["bid"], t["ask"])

    async with c.check("watch klines"):
        rows = await x.watch_ohlcv(symbol, "1m")
        r = rows[-1]
        holds("a row of this minute", r[0] % 60_000 == 0 and r[3] <= r[4] <= r[2], r)

    async with c.check("watch mark price"):
        t = await x.watch_mark_price(symbol)
        holds("a mark price", t["markPrice"] > 0, t)
