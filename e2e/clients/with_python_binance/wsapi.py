"""The WebSocket API, by its `ws_futures_…` calls."""

from binance.exceptions import BinanceAPIException

from checks import dec, holds, same

from .orders import position, quote, wallet


async def run(c, client, _sockets, symbol):
    price, quantity, tick = await quote(client, symbol)

    async with c.check("socket: order book, prices"):
        book = await client.ws_futures_get_order_book(symbol=symbol, limit=20)
        holds("not crossed", dec(book["bids"][0][0]) < dec(book["asks"][0][0]), book)
        t = await client.ws_futures_get_all_tickers(symbol=symbol)
        holds("price", t["symbol"] == symbol and dec(t["price"]) > 0, t)
        t = await client.ws_futures_get_order_book_ticker(symbol=symbol)
        holds("best", dec(t["bidPrice"]) < dec(t["askPrice"]), t)

    async with c.check("socket: limit order placed, read, modified, cancelled"):
        o = await client.ws_futures_create_order(
            symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=str(quantity), price=str(price)
        )
        same("as placed", (o["status"], dec(o["price"]), dec(o["origQty"])), ("NEW", price, quantity))
        read = await client.ws_futures_get_order(symbol=symbol, orderId=o["orderId"])
        same("as read", (read["status"], read["clientOrderId"]), ("NEW", o["clientOrderId"]))
        m = await client.ws_futures_edit_order(
            symbol=symbol, side="BUY", orderId=o["orderId"], quantity=str(quantity), price=str(price - tick)
        )
        same("as modified", (m["orderId"], dec(m["price"])), (o["orderId"], price - tick))
        gone = await client.ws_futures_cancel_order(symbol=symbol, orderId=o["orderId"])
        same("as cancelled", gone["status"], "CANCELED")
        same("none is open by REST", await client.futures_get_open_orders(symbol=symbol), [])

    async with c.check("socket: market order, position, balance, account"):
        await client.ws_futures_create_order(symbol=symbol, side="BUY", type="MARKET", quantity=str(quantity))
        rows = await client.ws_futures_v2_account_position(symbol=symbol)
        same("position", dec(rows[0]["positionAmt"]), quantity)
        usdt = [b for b in await client.ws_futures_v2_account_balance() if b["asset"] == "USDT"][0]
        same("balance as by REST", dec(usdt["balance"]), await wallet(client))
        account = await client.ws_futures_v2_account_status()
        same("wallet as by REST", dec(account["totalWalletBalance"]), await wallet(client))

    async with c.check("socket: stop placed, cancelled"):
        o = await client.ws_futures_create_order(
            symbol=symbol, side="SELL", type="STOP_MARKET", triggerPrice=str(price), quantity=str(quantity), reduceOnly="true"
        )
        same("as placed", (o["algoStatus"], dec(o["triggerPrice"])), ("NEW", price))
        await client.ws_futures_cancel_order(algoId=o["algoId"])
        same("none is open by REST", await client.futures_get_open_algo_orders(symbol=symbol), [])
        await client.ws_futures_create_order(symbol=symbol, side="SELL", type="MARKET", quantity=str(quantity), reduceOnly="true")
        same("flat", await position(client, symbol), 0)

    async with c.check("socket: 400 (-2013), an order nobody has"):
        try:
            await client.ws_futures_get_order(symbol=symbol, orderId=987654321)
        except BinanceAPIException as e:
            same("status and code", (e.status_code, e.code), (400, -2013))
        else:
            holds("it was refused", False)
