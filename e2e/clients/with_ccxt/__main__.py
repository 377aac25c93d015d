"""Runs the flows of ccxt, or, with `limits`, those that end with the address refused."""

import asyncio
import sys

from checks import Checks

from . import conditional, errors, limits, market, orders, streams, wsapi
from .client import close, exchange


async def main():
    c = Checks("ccxt")
    flows = [limits] if "limits" in sys.argv else [market, orders, conditional, streams, wsapi, errors]
    x = exchange(c.place, c.mine["hmac"]["key"], c.mine["hmac"]["secret"])
    try:
        for flow in flows:
            if flow in (conditional, streams, wsapi, errors):
                await orders.tidy(x, c.mine["unified"])
            await flow.run(c, x, c.mine["unified"])
    finally:
        await close(x)
    c.done()


asyncio.run(main())
