"""Stops, take-profits and trailing stops, which ccxt sends to the algo endpoints; two of them go off."""

from checks import dec, grid, holds, same, until

from .orders import amount_of, flat

TRIGGER = {"trigger": True}


async def run(c, x, symbol):
    market = x.market(symbol)
    amount = await amount_of(x, symbol, 1000)

    async def at(factor):
        """A price on the grid so far from the last one."""
        last = (await x.fetch_ticker(symbol))["last"]
        return float(grid(dec(last) * dec(factor), market["precision"]["price"]))

    async def open_long():
        await x.create_order(symbol, "market", "buy", amount)
        return (await x.fetch_positions([symbol]))[0]["entryPrice"]

    await open_long()
    async with c.check("stop-market placed, read, listed, cancelled"):
        price = await at("0.95")
        o = await x.create_order(symbol, "market", "sell", amount, None, {"stopLossPrice": price, "reduceOnly": True})
        same("as placed", (o["status"], o["triggerPrice"], o["amount"], o["side"]), ("open", price, amount, "sell"))
        same("kind", (o["info"]["orderType"], o["info"]["algoStatus"]), ("STOP_MARKET", "NEW"))
        read = await x.fetch_order(o["id"], symbol, TRIGGER)
        same("as read", (read["id"], read["status"], read["triggerPrice"]), (o["id"], "open", price))
        same("as listed", [l["id"] for l in await x.fetch_open_orders(symbol, None, None, TRIGGER)], [o["id"]])
        same("not among the plain ones", await x.fetch_open_orders(symbol), [])
        await x.cancel_order(o["id"], symbol, TRIGGER)
        same("as cancelled", (await x.fetch_order(o["id"], symbol, TRIGGER))["status"], "canceled")

    async with c.check("take-profit and trailing stop placed, all cancelled"):
        price = await at("1.05")
        tp = await x.create_order(symbol, "market", "sell", amount, None, {"takeProfitPrice": price, "reduceOnly": True})
        same("take-profit", (tp["info"]["orderType"], tp["triggerPrice"], tp["status"]), ("TAKE_PROFIT_MARKET", price, "open"))
        params = {"trailingPercent": 2, "trailingTriggerPrice": await at("1.04"), "reduceOnly": True}
        tr = await x.create_order(symbol, "market", "sell", amount, None, params)
        same("trailing", (tr["info"]["orderType"], dec(tr["info"]["callbackRate"]), tr["status"]), ("TRAILING_STOP_MARKET", 2, "open"))
        same("activation", dec(tr["info"]["activatePrice"]), dec(params["trailingTriggerPrice"]))
        listed = {l["id"] for l in await x.fetch_open_orders(symbol, None, None, TRIGGER)}
        same("as listed", listed, {tp["id"], tr["id"]})
        await x.cancel_all_orders(symbol, TRIGGER)
        same("none is left", await x.fetch_open_orders(symbol, None, None, TRIGGER), [])

    async def goes_off(o, price, side):
        """The order has fired and its own order has closed the position at about the trigger."""

        async def finished():
            read = await x.fetch_order(o["id"], symbol, TRIGGER)
            return read if read["info"]["algoStatus"] == "FINISHED" else None

        read = await until("finished", finished)
        holds("an order of its own", int(read["info"]["actualOrderId"]) > 0, read["info"])
        child = await x.fetch_order(read["info"]["actualOrderId"], symbol)
        same("its order", (child["status"], child["side"], child["filled"]), ("closed", side, amount))
        holds("filled about the trigger", abs(child["average"] / price - 1) < 0.02, child["average"], price)
        holds("flat", await flat(x, symbol))

    async with c.check("stop-market goes off"):
        price = await at("0.99")
        o = await x.create_order(symbol, "market", "sell", amount, None, {"stopLossPrice": price, "reduceOnly": True})
        c.move(market["id"], [[500, 0.98], [3000, 0.98]])
        await goes_off(o, price, "sell")

    async with c.check("take-profit goes off"):
        entry = await open_long()
        price = await at("1.01")
        o = await x.create_order(symbol, "market", "sell", amount, None, {"takeProfitPrice": price, "reduceOnly": True})
        c.move(market["id"], [[500, 1.02], [3000, 1.02]])
        await goes_off(o, price, "sell")
        last = (await x.fetch_my_trades(symbol))[-1]
        holds("with a profit", dec(last["info"]["realizedPnl"]) > 0, last["info"], entry)

    async with c.check("stop of a limit order, close-position stop"):
        await open_long()
        trigger, price = await at("0.95"), await at("0.945")
        o = await x.create_order(symbol, "limit", "sell", amount, price, {"stopLossPrice": trigger, "reduceOnly": True})
        same("stop", (o["info"]["orderType"], o["triggerPrice"], o["price"]), ("STOP", trigger, price))
        params = {"stopLossPrice": trigger, "closePosition": True}
        o = await x.create_order(symbol, "market", "sell", None, None, params)
        same("close-position", (o["info"]["orderType"], o["info"]["closePosition"]), ("STOP_MARKET", True))
        await x.cancel_all_orders(symbol, TRIGGER)
        await x.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
        await until("flat", lambda: flat(x, symbol))
