"""What is wrong raises `BinanceAPIException` with the exchange's status and code."""

import time

from binance.exceptions import BinanceAPIException

from checks import Wrong, holds, same

from .orders import quote


async def run(c, client, _sockets, symbol):
    price, quantity, _ = await quote(client, symbol)
    limit = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity, "price": price}

    async def refused(name, status, code, call):
        async with c.check(f"{status} ({code}): {name}"):
            try:
                await call
            except BinanceAPIException as e:
                same("status and code", (e.status_code, e.code), (status, code))
                holds("words", e.message, e)
            else:
                holds("it was refused", False)

    new = client.futures_create_order
    await refused("no such contract", 400, -1121, client.futures_order_book(symbol="NOPEUSDT"))
    await refused("more than the margin", 400, -2019, new(**{**limit, "quantity": quantity * 2000}))
    await refused("more digits than the grid", 400, -1111, new(**{**limit, "quantity": "0.00001234"}))
    await refused("below the least notional", 400, -4164, new(**{**limit, "quantity": "0.001"}))
    await refused("reduce-only without a position", 400, -2022, new(**limit | {"side": "SELL", "reduceOnly": "true"}))
    await refused("read what nobody has", 400, -2013, client.futures_get_order(symbol=symbol, orderId=987654321))
    await refused("cancel what nobody has", 400, -2011, client.futures_cancel_order(symbol=symbol, orderId=987654321))
    stop = new(symbol=symbol, side="BUY", type="STOP_MARKET", triggerPrice=price, quantity=quantity)
    await refused("a stop that would go off", 400, -2021, stop)
    await refused("fill or kill that can't", 400, -5021, new(**{**limit, "timeInForce": "FOK"}))
    await refused("post only that would take", 400, -5022, new(**{**limit, "timeInForce": "GTX", "side": "SELL"}))
    await refused("margin type as it is", 400, -4046, client.futures_change_margin_type(symbol=symbol, marginType="CROSSED"))
    await refused("leverage out of range", 400, -4028, client.futures_change_leverage(symbol=symbol, leverage=500))
    await refused("a parameter is missing", 400, -1102, new(symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", price=price))

    async with c.check("400 (-1021): a clock that is a minute behind"):
        kept = client.timestamp_offset
        client.timestamp_offset = kept - 60_000
        try:
            await client.futures_account()
        except BinanceAPIException as e:
            same("status and code", (e.status_code, e.code), (400, -1021))
        else:
            holds("it was refused", False, time.time())
        finally:
            client.timestamp_offset = kept

    for name, key, secret, status, code in [
        ("a key nobody has", "k" * 64, c.mine["hmac"]["secret"], 401, -2015),
        ("another secret", c.mine["hmac"]["key"], "s" * 64, 400, -1022),
    ]:
        other = type(client)(key, secret)
        await refused(name, status, code, other.futures_account())
        await other.close_connection()

    async def too_many():
        """Five orders at once, again and again; none stays open. At last they are more than 10 s, or a minute, allow."""
        rows = [{**limit, "timeInForce": "IOC", "quantity": str(quantity), "price": str(price)}] * 5
        for _ in range(300):
            made = await client.futures_place_batch_order(batchOrders=[dict(r) for r in rows])
            for refusal in (m for m in made if "code" in m):
                raise Wrong(refusal)

    await refused("more orders than are allowed", 429, -1015, too_many())
