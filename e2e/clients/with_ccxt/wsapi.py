"""The WebSocket API: the same orders over a socket."""

import ccxt

from checks import dec, holds, same, until

from .orders import amount_of, far_below, flat, usdt_of, wallet


async def run(c, x, symbol):
    amount, price = await amount_of(x, symbol, 1000), await far_below(x, symbol)
    tick = x.market(symbol)["precision"]["price"]

    async with c.check("socket: order book, ticker"):
        book = await x.fetch_order_book_ws(symbol, 20)
        holds("not crossed", 0 < book["bids"][0][0] < book["asks"][0][0], book["bids"][0], book["asks"][0])
        t = await x.fetch_ticker_ws(symbol)
        holds("near the book", 0 < t["bid"] < t["ask"] and abs(t["bid"] / book["bids"][0][0] - 1) < 0.02, t, book["bids"][0])

    async with c.check("socket: limit order placed, read, modified, cancelled"):
        o = await x.create_order_ws(symbol, "limit", "buy", amount, price)
        same("as placed", (o["status"], o["price"], o["amount"]), ("open", price, amount))
        same("as read", (await x.fetch_order_ws(o["id"], symbol))["status"], "open")
        same("by REST", [l["id"] for l in await x.fetch_open_orders(symbol)], [o["id"]])
        moved = float(dec(price) - 5 * dec(tick))
        e = await x.edit_order_ws(o["id"], symbol, "limit", "buy", amount, moved)
        same("as modified", (e["id"], e["price"]), (o["id"], moved))
        same("as cancelled", (await x.cancel_order_ws(o["id"], symbol))["status"], "canceled")
        same("by REST", (await x.fetch_order(o["id"], symbol))["status"], "canceled")

    async with c.check("socket: market order, position, balance"):
        o = await x.create_order_ws(symbol, "market", "buy", amount)
        read = await x.fetch_order(o["id"], symbol)
        same("as read by REST", (read["status"], read["filled"]), ("closed", amount))
        p = (await x.fetch_positions_ws([symbol]))[0]
        same("position", (p["side"], p["contracts"]), ("long", amount))
        same("wallet as by REST", usdt_of(await x.fetch_balance_ws()), await wallet(x))
        await x.create_order_ws(symbol, "market", "sell", amount, None, {"reduceOnly": True})
        await until("flat", lambda: flat(x, symbol))

    async with c.check("socket: stop placed, cancelled"):
        trigger = float(dec(price) + 5 * dec(tick))
        await x.create_order(symbol, "market", "buy", amount)
        o = await x.create_order_ws(symbol, "market", "sell", amount, None, {"stopLossPrice": trigger, "reduceOnly": True})
        same("as placed", (o["triggerPrice"], o["info"]["algoStatus"]), (trigger, "NEW"))
        await x.cancel_order_ws(o["id"], symbol, {"trigger": True})
        same("none is open", await x.fetch_open_orders(symbol, None, None, {"trigger": True}), [])
        await x.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
        await until("flat", lambda: flat(x, symbol))

    async with c.raises("socket: OrderNotFound, an order nobody has", ccxt.OrderNotFound, "-2013"):
        await x.fetch_order_ws("987654321", symbol)

    async with c.raises("socket: BadRequest, a quantity off the grid", ccxt.BadRequest, "-1111"):
        await x.create_order_ws(symbol, "limit", "buy", amount, price, {"quantity": "0.0012345"})
