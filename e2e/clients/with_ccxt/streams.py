"""The account's own stream: orders, fills, balance and positions as they change."""

import asyncio

from checks import dec, grid, holds, same

from .orders import amount_of, far_below, flat, wallet


class Watched:
    """What a `watch_…` has brought since it was started."""

    def __init__(self, watch):
        self.seen = []
        self.more = asyncio.Event()
        self.task = asyncio.create_task(self.follow(watch))

    async def follow(self, watch):
        while True:
            for row in await watch():
                self.seen.append(dict(row))
            self.more.set()

    async def first(self, wanted):
        """The first row for which it holds; waits for it."""
        while True:
            for row in self.seen:
                if wanted(row):
                    return row
            self.more.clear()
            await asyncio.wait([self.task, asyncio.create_task(self.more.wait())], return_when=asyncio.FIRST_COMPLETED)
            if self.task.done():
                self.task.result()


async def run(c, x, symbol):
    amount = await amount_of(x, symbol, 2000)
    price = await far_below(x, symbol)
    orders = Watched(lambda: x.watch_orders(symbol))
    fills = Watched(lambda: x.watch_my_trades(symbol))
    positions = Watched(lambda: x.watch_positions([symbol]))

    async def balance():
        return [await x.watch_balance()]

    balances = Watched(balance)
    # The socket is up once one of ours has come over it.
    while not orders.seen:
        o = await x.create_order(symbol, "limit", "buy", amount, price)
        await x.cancel_order(o["id"], symbol)
        await asyncio.sleep(0.2)

    async with c.check("watched orders: placed, modified, cancelled"):
        o = await x.create_order(symbol, "limit", "buy", amount, price)
        seen = await orders.first(lambda r: r["id"] == o["id"] and r["status"] == "open")
        same("as placed", (seen["price"], seen["amount"], seen["filled"], seen["clientOrderId"]), (price, amount, 0, o["clientOrderId"]))
        moved = float(dec(price) - dec(x.market(symbol)["precision"]["price"]))
        await x.edit_order(o["id"], symbol, "limit", "buy", amount, moved)
        await orders.first(lambda r: r["id"] == o["id"] and r["status"] == "open" and r["price"] == moved)
        await x.cancel_order(o["id"], symbol)
        await orders.first(lambda r: r["id"] == o["id"] and r["status"] == "canceled")

    async with c.check("watched orders and fills: a market order"):
        o = await x.create_order(symbol, "market", "buy", amount)
        done = await orders.first(lambda r: r["id"] == o["id"] and r["status"] == "closed")
        same("filled", (done["filled"], done["remaining"]), (amount, 0))
        await fills.first(lambda r: r["order"] == o["id"])
        by_rest = {t["id"]: t for t in await x.fetch_my_trades(symbol) if t["order"] == o["id"]}
        for known in by_rest.values():
            seen = await fills.first(lambda r, k=known: r["id"] == k["id"])
            same("a fill", *[(t["price"], t["amount"], t["side"], t["fee"]["cost"], t["takerOrMaker"]) for t in (seen, known)])

    async with c.check("watched position"):
        seen = await positions.first(lambda r: r["contracts"] == amount and r["side"] == "long")
        known = (await x.fetch_positions([symbol]))[0]
        holds("entry", abs(seen["entryPrice"] / known["entryPrice"] - 1) < 1e-9, seen["entryPrice"], known["entryPrice"])

    async with c.check("watched balance"):
        await x.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
        await positions.first(lambda r: r["contracts"] in (0, None))
        due = float(await wallet(x))
        await balances.first(lambda r: abs(r["USDT"]["total"] - due) < 1e-7)
        holds("flat", await flat(x, symbol))

    async with c.check("watched conditional order"):
        await x.create_order(symbol, "market", "buy", amount)
        last = (await x.fetch_ticker(symbol))["last"]
        trigger = float(grid(dec(last) * dec("0.99"), x.market(symbol)["precision"]["price"]))
        o = await x.create_order(symbol, "market", "sell", amount, None, {"stopLossPrice": trigger, "reduceOnly": True})
        seen = await orders.first(lambda r: r["id"] == o["id"])
        same("as placed", (seen["status"], seen["triggerPrice"]), ("open", trigger))
        c.move(x.market(symbol)["id"], [[500, 0.98], [3000, 0.98]])
        child = await orders.first(lambda r: r["status"] == "closed" and r["side"] == "sell" and r["id"] != o["id"]
                                   and r["timestamp"] >= seen["timestamp"])
        same("its order", child["filled"], amount)
        holds("flat", await flat(x, symbol))

    for w in (orders, fills, positions, balances):
        w.task.cancel()
    await asyncio.gather(*(w.task for w in (orders, fills, positions, balances)), return_exceptions=True)
