"""Orders as a bot places, changes and cancels them, and what they leave in trades, positions and balances."""

from checks import dec, grid, holds, same, until

from .client import close, exchange


async def far_below(x, symbol, factor="0.97"):
    """A price on the grid where a bid rests."""
    bid = (await x.fetch_order_book(symbol, 5))["bids"][0][0]
    return float(grid(dec(bid) * dec(factor), x.market(symbol)["precision"]["price"]))


async def amount_of(x, symbol, usdt):
    """A quantity on the grid worth about so much."""
    bid = (await x.fetch_order_book(symbol, 5))["bids"][0][0]
    return float(grid(dec(usdt) / dec(bid), x.market(symbol)["precision"]["amount"]))


async def tidy(x, symbol):
    """Nothing open and no position, whatever a check before this one has left."""
    await x.cancel_all_orders(symbol)
    await x.cancel_all_orders(symbol, {"trigger": True})
    for p in await x.fetch_positions([symbol]):
        side = "sell" if p["side"] == "long" else "buy"
        await x.create_order(symbol, "market", side, p["contracts"], None, {"reduceOnly": True})


def usdt_of(balance):
    """The wallet in USDT of an account's balance, as the exchange told it."""
    return dec([a for a in balance["info"]["assets"] if a["asset"] == "USDT"][0]["walletBalance"])


async def wallet(x):
    """The wallet in USDT by REST."""
    return usdt_of(await x.fetch_balance())


async def flat(x, symbol):
    """No position."""
    return not [p for p in await x.fetch_positions([symbol]) if p["contracts"]]


async def run(c, x, symbol):
    async with c.check("leverage"):
        same("answer", str((await x.set_leverage(7, symbol))["leverage"]), "7")
        same("as read", (await x.fetch_leverage(symbol))["longLeverage"], 7)

    async with c.check("margin type"):
        same("as read", (await x.fetch_margin_mode(symbol))["marginMode"], "cross")

    async with c.check("leverage tiers"):
        tiers = (await x.fetch_leverage_tiers([symbol]))[symbol]
        holds("caps rise, leverage falls", all(
            a["maxNotional"] == b["minNotional"] and a["maxLeverage"] > b["maxLeverage"] for a, b in zip(tiers, tiers[1:])
        ), tiers)

    price, amount = await far_below(x, symbol), await amount_of(x, symbol, 1000)
    tick = x.market(symbol)["precision"]["price"]
    async with c.check("limit order placed, read, listed"):
        o = await x.create_order(symbol, "limit", "buy", amount, price)
        same("as placed", (o["status"], o["price"], o["amount"], o["filled"], o["side"]), ("open", price, amount, 0, "buy"))
        read = await x.fetch_order(o["id"], symbol)
        same("as read", (read["id"], read["status"], read["price"], read["clientOrderId"]), (o["id"], "open", price, o["clientOrderId"]))
        same("as listed", [l["id"] for l in await x.fetch_open_orders(symbol)], [o["id"]])

    async with c.check("limit order modified"):
        moved = float(dec(price) - 10 * dec(tick))
        e = await x.edit_order(o["id"], symbol, "limit", "buy", amount, moved)
        same("as modified", (e["id"], e["price"], e["status"]), (o["id"], moved, "open"))
        same("as read", (await x.fetch_order(o["id"], symbol))["price"], moved)

    async with c.check("limit order cancelled"):
        same("as cancelled", (await x.cancel_order(o["id"], symbol))["status"], "canceled")
        same("as read", (await x.fetch_order(o["id"], symbol))["status"], "canceled")
        same("none is open", await x.fetch_open_orders(symbol), [])

    async with c.check("batch placed, modified, cancelled"):
        prices = [float(dec(price) - n * dec(tick)) for n in (1, 2, 3)]
        wanted = [{"symbol": symbol, "type": "limit", "side": "buy", "amount": amount, "price": p} for p in prices]
        placed = await x.create_orders(wanted)
        same("as placed", [(b["status"], b["price"]) for b in placed], [("open", p) for p in prices])
        changed = [float(dec(p) - 20 * dec(tick)) for p in prices[:2]]
        edits = [{**w, "id": b["id"], "price": p} for w, b, p in zip(wanted, placed, changed)]
        same("as modified", [e["price"] for e in await x.edit_orders(edits)], changed)
        gone = await x.cancel_orders([b["id"] for b in placed[:2]], symbol)
        same("as cancelled", [g["status"] for g in gone], ["canceled"] * 2)
        same("one is left", [l["id"] for l in await x.fetch_open_orders(symbol)], [placed[2]["id"]])
        await x.cancel_all_orders(symbol)
        same("none is left", await x.fetch_open_orders(symbol), [])

    async with c.check("post only rests"):
        o = await x.create_order(symbol, "limit", "buy", amount, price, {"postOnly": True})
        same("as placed", (o["status"], o["postOnly"], o["timeInForce"]), ("open", True, "PO"))
        await x.cancel_order(o["id"], symbol)

    async with c.check("immediate or cancel expires where nothing is"):
        o = await x.create_order(symbol, "limit", "buy", amount, price, {"timeInForce": "IOC"})
        same("as read", (await x.fetch_order(o["id"], symbol))["status"], "expired")

    async with c.check("balance"):
        usdt = (await x.fetch_balance())["USDT"]
        same("all of it is free", (usdt["total"], usdt["free"]), (c.mine["balance"],) * 2)

    async with c.check("market order fills"):
        o = await x.create_order(symbol, "market", "buy", amount)
        read = await x.fetch_order(o["id"], symbol)
        same("as read", (read["status"], read["filled"], read["remaining"]), ("closed", amount, 0))
        book = await x.fetch_order_book(symbol, 5)
        holds("average near the book", abs(read["average"] / book["asks"][0][0] - 1) < 0.02, read["average"], book["asks"][0])

    async with c.check("fills and fees"):
        fills = [t for t in await x.fetch_my_trades(symbol) if t["order"] == o["id"]]
        same("together", sum(dec(t["amount"]) for t in fills), dec(amount))
        rate = dec((await x.fetch_trading_fee(symbol))["taker"])
        for t in fills:
            holds("fee by the rate", abs(dec(t["fee"]["cost"]) - dec(t["cost"]) * rate) < dec("0.00000002"), t["fee"], t["cost"], rate)
            same("paid in", t["fee"]["currency"], "USDT")
        fees = sum(dec(t["fee"]["cost"]) for t in fills)
        same("wallet to the last digit", await wallet(x), dec(c.mine["balance"]) - fees)

    async with c.check("position"):
        p = (await x.fetch_positions([symbol]))[0]
        same("side and size", (p["side"], p["contracts"], p["marginMode"]), ("long", amount, "cross"))
        holds("entry is the average", abs(p["entryPrice"] / read["average"] - 1) < 1e-9, p["entryPrice"], read["average"])
        holds("notional at the mark", abs(p["notional"] / (p["markPrice"] * amount) - 1) < 1e-6, p["notional"], p["markPrice"])
        old = (await x.fetch_positions([symbol], {"useV2": True}))[0]
        same("by the endpoint before", (old["contracts"], old["leverage"]), (amount, 7))

    async with c.check("reduce-only order closes"):
        await x.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
        await until("flat", lambda: flat(x, symbol))
        fills = await x.fetch_my_trades(symbol)
        realised = sum(dec(t["info"]["realizedPnl"]) for t in fills)
        fees = sum(dec(t["fee"]["cost"]) for t in fills)
        same("wallet to the last digit", await wallet(x), dec(c.mine["balance"]) + realised - fees)

    async with c.check("ledger"):
        rows = await x.fetch_ledger("USDT")
        fees = sum(dec(t["fee"]["cost"]) for t in await x.fetch_my_trades(symbol))
        paid = sum(dec(r["info"]["income"]) for r in rows if r["info"]["incomeType"] == "COMMISSION")
        same("commissions", paid, -fees)

    async with c.check("Ed25519 key"):
        ed = exchange(c.place, c.mine["ed25519"]["key"], c.mine["ed25519"]["pem"])
        try:
            await ed.load_markets()
            o = await ed.create_order(symbol, "limit", "buy", amount, price)
            same("the account's own order", [l["id"] for l in await x.fetch_open_orders(symbol)], [o["id"]])
            same("as cancelled", (await ed.cancel_order(o["id"], symbol))["status"], "canceled")
        finally:
            await close(ed)
