"""How python-binance is pointed at a venue: its URLs are attributes of its classes."""

from binance import AsyncClient, BinanceSocketManager


def classes(place):
    """Its client and its socket manager with the venue's URLs."""
    host = place["plain"]

    class Client(AsyncClient):
        API_URL = f"http://{host}/api"
        MARGIN_API_URL = f"http://{host}/sapi"
        FUTURES_URL = f"http://{host}/fapi"
        FUTURES_DATA_URL = f"http://{host}/futures/data"
        WS_FUTURES_URL = f"ws://{host}/ws-fapi/v1"

    class Sockets(BinanceSocketManager):
        FSTREAM_URL = f"ws://{host}/"

    return Client, Sockets
