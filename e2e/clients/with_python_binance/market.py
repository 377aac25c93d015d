"""Market data by REST and by stream."""

import time

from checks import dec, holds, same, until


async def events(socket, count):
    """So many events of a socket, of combined streams or of one."""
    got = []
    async with socket as s:
        while len(got) < count:
            message = await s.recv()
            holds("no error", message.get("e") != "error", message)
            got.append(message.get("data", message))
    return got


async def run(c, client, sockets, symbol):
    async with c.check("exchange information"):
        info = await client.futures_exchange_info()
        row = [s for s in info["symbols"] if s["symbol"] == symbol][0]
        same("kind", (row["contractType"], row["status"], row["quoteAsset"]), ("PERPETUAL", "TRADING", "USDT"))
        filters = {f["filterType"] for f in row["filters"]}
        holds("filters", {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL", "PERCENT_PRICE"} <= filters, filters)

    async with c.check("time and its offset"):
        now = (await client.futures_time())["serverTime"]
        holds("within a second of ours", abs(now - time.time() * 1000) < 1000, now)
        holds("offset", abs(client.timestamp_offset) < 1000, client.timestamp_offset)

    async with c.check("order book, ticker, mark price, klines, trades"):
        book = await client.futures_order_book(symbol=symbol, limit=50)
        same("levels", (len(book["bids"]), len(book["asks"])), (50, 50))
        bid, ask = dec(book["bids"][0][0]), dec(book["asks"][0][0])
        holds("not crossed", bid < ask, bid, ask)
        t = await client.futures_ticker(symbol=symbol)
        holds("last within low and high", dec(t["lowPrice"]) <= dec(t["lastPrice"]) <= dec(t["highPrice"]), t)
        b = await client.futures_orderbook_ticker(symbol=symbol)
        holds("best of the book", dec(b["bidPrice"]) < dec(b["askPrice"]) and abs(dec(b["bidPrice"]) / bid - 1) < dec("0.01"), b, bid)
        m = await client.futures_mark_price(symbol=symbol)
        holds("mark near the book", abs(dec(m["markPrice"]) / bid - 1) < dec("0.02"), m["markPrice"], bid)
        rows = await client.futures_klines(symbol=symbol, interval="1m", limit=20)
        same("a minute apart", {y[0] - x[0] for x, y in zip(rows, rows[1:])}, {60_000})
        # A market that has only begun has had none.
        trades = await until("trades", lambda: client.futures_aggregate_trades(symbol=symbol, limit=20))
        same("trades in order", [x["a"] for x in trades], sorted(x["a"] for x in trades))

    async with c.check("recent trades, open interest"):
        trades = await client.futures_recent_trades(symbol=symbol, limit=20)
        same("trades in order", [x["id"] for x in trades], sorted(x["id"] for x in trades))
        holds("price times quantity", all(abs(dec(x["price"]) * dec(x["qty"]) - dec(x["quoteQty"])) < dec("0.01") for x in trades), trades)
        interest = await client.futures_open_interest(symbol=symbol)
        holds("open interest", interest["symbol"] == symbol and dec(interest["openInterest"]) >= 0, interest)

    async with c.check("depth socket is the book of REST"):
        # The best twenty by stream and by REST at one update id.
        streamed = {}

        async with sockets.futures_depth_socket(symbol, depth="20") as s:

            async def both():
                book = await client.futures_order_book(symbol=symbol, limit=20)
                last = max(streamed, default=0)
                while last < book["lastUpdateId"]:
                    e = (await s.recv())["data"]
                    last = e["u"]
                    streamed[last] = e
                e = streamed.get(book["lastUpdateId"])
                return e and ((e["b"], e["a"]), (book["bids"], book["asks"]))

            ours, theirs = await until("one update id in both", both)
        same("levels", ours, theirs)

    async with c.check("difference socket is unbroken"):
        got = await events(sockets.futures_multiplex_socket([f"{symbol.lower()}@depth@100ms"], category="public"), 30)
        holds("pu is the u before", all(b["pu"] == a["u"] for a, b in zip(got, got[1:])), [(e["pu"], e["u"]) for e in got])

    async with c.check("aggregated trades socket"):
        e = (await events(sockets.aggtrade_futures_socket(symbol), 1))[0]
        holds("a trade", (e["e"], e["s"]) == ("aggTrade", symbol) and dec(e["p"]) > 0 and dec(e["q"]) > 0, e)

    async with c.check("mark price socket"):
        e = (await events(sockets.symbol_mark_price_socket(symbol), 1))[0]
        holds("a mark price", e["e"] == "markPriceUpdate" and dec(e["p"]) > 0 and e["T"] > e["E"], e)

    async with c.check("kline socket"):
        plain = sockets.futures_multiplex_socket([f"{symbol.lower()}@kline_1m"])
        for socket, kind in ((plain, "kline"), (sockets.kline_futures_socket(symbol), "continuous_kline")):
            e = (await events(socket, 1))[0]
            k = e["k"]
            same("kind", e["e"], kind)
            holds("a bar of a minute", k["T"] - k["t"] == 59_999 and dec(k["l"]) <= dec(k["c"]) <= dec(k["h"]), k)

    async with c.check("ticker sockets"):
        best = (await events(sockets.symbol_ticker_futures_socket(symbol), 1))[0]
        holds("best bid and ask", best["e"] == "bookTicker" and dec(best["b"]) < dec(best["a"]), best)
        e = (await events(sockets.individual_symbol_ticker_futures_socket(symbol), 1))[0]
        holds("a ticker", e["e"] == "24hrTicker" and dec(e["l"]) <= dec(e["c"]) <= dec(e["h"]), e)
