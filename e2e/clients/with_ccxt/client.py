"""How ccxt is pointed at a venue: URLs, hostname, and the certificate of the front. Nothing else of it is changed."""

import socket
import ssl

import aiohttp
import ccxt.pro


class Loopback(aiohttp.abc.AbstractResolver):
    """Resolves every name to this machine: not each system knows `fapi.localhost`."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        flags = socket.AI_NUMERICHOST
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": flags}]

    async def close(self):
        pass


def exchange(place, key, secret, **more):
    """An exchange of that key. The name must be `fapi.` before the hostname: ccxt tells errors of futures by it."""
    host = f"localhost:{place['tlsPort']}"
    tls = ssl.create_default_context(cafile=place["ca"])
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, resolver=Loopback()))
    made = ccxt.pro.binanceusdm(
        {
            "apiKey": key,
            "secret": secret,
            "hostname": host,
            "session": session,
            "options": {"fetchCurrencies": False},
            **more,
        }
    )
    api = made.urls["api"]
    for name, url in api.items():
        if name.startswith("fapi") and isinstance(url, str):
            api[name] = url.replace("https://fapi.binance.com", f"https://fapi.{host}")
    api["ws"]["linear"] = f"wss://fapi.{host}/ws"
    api["ws"]["ws-api"]["linear"] = f"wss://fapi.{host}/ws-fapi/v1"
    return made


async def close(made):
    """Ends the exchange, and the session that it was given."""
    session = made.session
    await made.close()
    await session.close()
