"""What is wrong raises the class that ccxt has for it: by the exchange's code, so the code must be the exchange's."""

import ccxt

from checks import dec, grid

from .client import close, exchange
from .orders import amount_of, far_below


async def run(c, x, symbol):
    market = x.market(symbol)
    amount, price = await amount_of(x, symbol, 1000), await far_below(x, symbol)
    ask = (await x.fetch_order_book(symbol, 5))["asks"][0][0]
    above = float(grid(dec(ask) * dec("1.01"), market["precision"]["price"]))
    limit = {"symbol": market["id"], "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": str(amount), "price": str(price)}

    async with c.raises("BadSymbol: no such contract", ccxt.BadSymbol, "-1121"):
        await x.fapiPublicGetDepth({"symbol": "NOPEUSDT"})
    async with c.raises("InsufficientFunds: more than the margin", ccxt.InsufficientFunds, "-2019"):
        await x.set_leverage(1, symbol)
        try:
            await x.create_order(symbol, "limit", "buy", await amount_of(x, symbol, 2 * c.mine["balance"]), price)
        finally:
            await x.set_leverage(7, symbol)
    async with c.raises("OrderNotFound: read", ccxt.OrderNotFound, "-2013"):
        await x.fetch_order("987654321", symbol)
    async with c.raises("OrderNotFound: cancel", ccxt.OrderNotFound, "-2011"):
        await x.cancel_order("987654321", symbol)
    async with c.raises("InvalidOrder: below the least notional", ccxt.InvalidOrder, "-4164"):
        least = market["limits"]
        await x.create_order(symbol, "limit", "buy", least["amount"]["min"], least["cost"]["min"] / least["amount"]["min"] / 2)
    async with c.raises("OrderNotFillable: post only that would take", ccxt.OrderNotFillable, "-5022"):
        await x.create_order(symbol, "limit", "buy", amount, above, {"postOnly": True})
    async with c.raises("OrderNotFillable: fill or kill that can't", ccxt.OrderNotFillable, "-5021"):
        await x.create_order(symbol, "limit", "buy", amount, price, {"timeInForce": "FOK"})
    async with c.raises("OrderImmediatelyFillable: a stop that would go off", ccxt.OrderImmediatelyFillable, "-2021"):
        await x.create_order(symbol, "market", "sell", amount, None, {"stopLossPrice": above})
    async with c.raises("InvalidOrder: reduce-only without a position", ccxt.InvalidOrder, "-2022"):
        await x.create_order(symbol, "market", "sell", amount, None, {"reduceOnly": True})
    async with c.raises("InvalidOrder: a stop at the plain endpoint", ccxt.InvalidOrder, "-4120"):
        await x.fapiPrivatePostOrder({**limit, "side": "SELL", "type": "STOP_MARKET", "stopPrice": str(price)})
    async with c.raises("BadRequest: a quantity off the grid", ccxt.BadRequest, "-1111"):
        await x.fapiPrivatePostOrder({**limit, "quantity": "0.0012345"})
    async with c.raises("InvalidOrder: a client's id that is open already", ccxt.InvalidOrder, "-4116"):
        try:
            for _ in range(2):
                await x.create_order(symbol, "limit", "buy", amount, price, {"clientOrderId": "only-once"})
        finally:
            await x.cancel_all_orders(symbol)
    async with c.raises("BadRequest: a parameter is missing", ccxt.BadRequest, "-1102"):
        await x.fapiPrivatePostOrder({k: v for k, v in limit.items() if k != "quantity"})
    async with c.raises("InvalidNonce: a timestamp of a minute ago", ccxt.InvalidNonce, "-1021"):
        await x.fapiPrivateGetOpenOrders({"symbol": market["id"], "timestamp": x.milliseconds() - 60_000})
    async with c.raises("MarginModeAlreadySet: margin type as it is", ccxt.MarginModeAlreadySet, "-4046"):
        await x.set_margin_mode("cross", symbol)
    for name, key, secret, code in [
        ("AuthenticationError: a key nobody has", "k" * 64, c.mine["hmac"]["secret"], "-2015"),
        ("AuthenticationError: another secret", c.mine["hmac"]["key"], "s" * 64, "-1022"),
    ]:
        other = exchange(c.place, key, secret)
        try:
            async with c.raises(name, ccxt.AuthenticationError, code):
                await other.fapiPrivateV3GetAccount()
        finally:
            await close(other)
