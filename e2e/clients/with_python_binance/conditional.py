"""Conditional orders at the algo endpoints, by the calls that python-binance routes there."""

from checks import dec, grid, holds, same, until

from .orders import position, quote


async def run(c, client, _sockets, symbol):
    _, quantity, tick = await quote(client, symbol)

    async def at(factor):
        """A price on the grid so far from the last one."""
        last = (await client.futures_symbol_ticker(symbol=symbol))["price"]
        return grid(dec(last) * dec(factor), tick)

    async def stop(kind, **more):
        return await client.futures_create_order(symbol=symbol, side="SELL", type=kind, **more)

    await client.futures_create_order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity)
    async with c.check("stop-market, take-profit, trailing stop placed and listed"):
        low, high, start = await at("0.95"), await at("1.05"), await at("1.03")
        made = [
            await stop("STOP_MARKET", triggerPrice=low, quantity=quantity, reduceOnly="true"),
            await stop("TAKE_PROFIT_MARKET", stopPrice=high, closePosition="true"),
            await stop("TRAILING_STOP_MARKET", callbackRate=1, activatePrice=start, quantity=quantity, reduceOnly="true"),
        ]
        same("as placed", [(m["orderType"], m["algoStatus"]) for m in made],
             [(k, "NEW") for k in ("STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")])
        same("triggers", [dec(m["triggerPrice"]) for m in made[:2]], [low, high])
        listed = {o["algoId"] for o in await client.futures_get_open_orders(symbol=symbol, conditional=True)}
        same("as listed", listed, {m["algoId"] for m in made})

    async with c.check("one read and cancelled, then all"):
        read = await client.futures_get_order(symbol=symbol, algoId=made[0]["algoId"])
        same("as read", (read["algoStatus"], dec(read["triggerPrice"])), ("NEW", low))
        await client.futures_cancel_order(symbol=symbol, algoId=made[0]["algoId"])
        read = await client.futures_get_order(symbol=symbol, algoId=made[0]["algoId"])
        same("as cancelled", read["algoStatus"], "CANCELED")
        await client.futures_cancel_all_algo_open_orders(symbol=symbol)
        same("none is open", await client.futures_get_open_algo_orders(symbol=symbol), [])

    async def finished(algo_id):
        read = await client.futures_get_order(symbol=symbol, algoId=algo_id)
        return read if read["algoStatus"] == "FINISHED" else None

    async with c.check("trailing stop follows and goes off"):
        # By the mark price, which moves without a trade too; up, some marks long there, and down slower than it is told.
        m = await stop("TRAILING_STOP_MARKET", callbackRate=1, workingType="MARK_PRICE", quantity=quantity, reduceOnly="true")
        c.move(symbol, [[1000, 1.03], [4000, 1.03], [10000, 1.0], [12000, 1.0]])
        read = await until("finished", lambda: finished(m["algoId"]))
        child = await client.futures_get_order(symbol=symbol, orderId=int(read["actualOrderId"]))
        same("its order", (child["status"], child["side"], dec(child["executedQty"])), ("FILLED", "SELL", quantity))
        same("flat", await position(client, symbol), 0)
        profit = [t for t in await client.futures_account_trades(symbol=symbol) if t["orderId"] == child["orderId"]]
        holds("above where it began, because it followed", sum(dec(t["realizedPnl"]) for t in profit) > 0, profit)
        rows = await client.futures_get_all_algo_orders(symbol=symbol)
        same("in the history", [r["algoStatus"] for r in rows if r["algoId"] == m["algoId"]], ["FINISHED"])
