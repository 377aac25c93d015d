"""The account's own stream while orders run."""

from checks import dec, same

from .orders import position, quote, wallet


async def run(c, client, sockets, symbol):
    price, quantity, tick = await quote(client, symbol)
    async with c.check("user socket: order placed, modified, cancelled"):
        async with sockets.futures_user_socket() as s:

            async def order(wanted):
                """The next order event for which it holds."""
                while True:
                    e = await s.recv()
                    if e["e"] == "ORDER_TRADE_UPDATE" and wanted(e["o"]):
                        return e["o"]

            o = await client.futures_create_order(
                symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=quantity, price=price
            )
            e = await order(lambda r: r["i"] == o["orderId"])
            same("placed", (e["x"], e["X"], dec(e["p"]), dec(e["q"]), e["c"]), ("NEW", "NEW", price, quantity, o["clientOrderId"]))
            await client.futures_modify_order(symbol=symbol, side="BUY", orderId=o["orderId"], quantity=quantity, price=price - tick)
            e = await order(lambda r: r["i"] == o["orderId"])
            same("modified", (e["x"], e["X"], dec(e["p"])), ("AMENDMENT", "NEW", price - tick))
            await client.futures_cancel_order(symbol=symbol, orderId=o["orderId"])
            e = await order(lambda r: r["i"] == o["orderId"])
            same("cancelled", (e["x"], e["X"]), ("CANCELED", "CANCELED"))

    async with c.check("user socket: fill, position, balance"):
        async with sockets.futures_user_socket() as s:
            o = await client.futures_create_order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity)
            filled, fees, account = dec(0), dec(0), None
            while filled < quantity or account is None:
                e = await s.recv()
                if e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["x"] == "TRADE":
                    filled, fees = filled + dec(e["o"]["l"]), fees + dec(e["o"]["n"])
                    same("in sum", dec(e["o"]["z"]), filled)
                if e["e"] == "ACCOUNT_UPDATE" and dec(e["a"]["P"][0]["pa"]) == quantity:
                    account = e["a"]
            fills = await client.futures_account_trades(symbol=symbol, orderId=o["orderId"])
            same("fees", fees, sum(dec(f["commission"]) for f in fills))
            same("why", (account["m"], account["P"][0]["s"]), ("ORDER", symbol))
            same("wallet", dec(account["B"][0]["wb"]), await wallet(client))
        await client.futures_create_order(symbol=symbol, side="SELL", type="MARKET", quantity=quantity, reduceOnly="true")
        same("flat", await position(client, symbol), 0)
