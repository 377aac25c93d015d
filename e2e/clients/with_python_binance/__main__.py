"""Runs the flows of python-binance, or, with `limits`, the one at an address that is refused."""

import asyncio
import sys

from binance.exceptions import BinanceAPIException

from checks import Checks, holds

from . import conditional, errors, market, orders, streams, wsapi
from .client import classes


async def limits(c):
    """The weight is used up: another client of this address has done it, and this one goes on."""
    client_class, _ = classes(c.place)
    client = client_class()
    try:
        async with c.check("429 (-1003): the address's weight is used up"):
            try:
                # Three times what a minute allows, as a minute may end meanwhile.
                for _ in range(400):
                    await client.futures_order_book(symbol=c.mine["symbol"], limit=1000)
            except BinanceAPIException as e:
                holds("429, -1003, Retry-After", e.status_code == 429 and e.code == -1003 and int(e.response.headers["Retry-After"]) > 0, e)
            else:
                holds("it was refused", False)
    finally:
        await client.close_connection()


async def main():
    c = Checks("python-binance")
    if "limits" in sys.argv:
        await limits(c)
        c.done()
    client_class, sockets_class = classes(c.place)
    client = await client_class.create(c.mine["hmac"]["key"], c.mine["hmac"]["secret"])
    sockets = sockets_class(client)
    try:
        for flow in (market, orders, conditional, streams, wsapi, errors):
            if flow in (conditional, streams, wsapi, errors):
                await orders.tidy(client, c.mine["symbol"])
            await flow.run(c, client, sockets, c.mine["symbol"])
    finally:
        await client.ws_future.close()
        await client.close_connection()
    c.done()


asyncio.run(main())
