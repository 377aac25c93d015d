"""Where the clients run: accounts with keys, a venue of its own on free ports, and the TLS front before it."""

import asyncio
import json
import os
import secrets
import string
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import front

# Each client trades a contract of its own, because it moves the market.
CLIENTS = {
    "ccxt": ("BTCUSDT", "BTC/USDT:USDT"),
    "python-binance": ("ETHUSDT", "ETH/USDT:USDT"),
    "node": ("SOLUSDT", "SOL/USDT:USDT"),
}
BALANCE = 100_000
# Seconds that a venue may take to say where it listens, and to end.
PATIENCE = 60


def word():
    """A key or a secret like the exchange's: 64 letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(64))


def account(directory, name):
    """The venue's row of an account with a key of both kinds, and what its client is told."""
    pair = Ed25519PrivateKey.generate()
    pem = pair.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = pair.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    hmac, ed, secret = word(), word(), word()
    file = directory / f"{name}.secret"
    file.touch(mode=0o600)
    file.write_text(secret)
    row = {
        "name": name,
        "balance": BALANCE,
        "keys": [
            {"apiKey": hmac, "secretFile": file.name},
            {"apiKey": ed, "keyType": "Ed25519", "publicKey": public.decode()},
        ],
    }
    symbol, unified = CLIENTS[name]
    told = {
        "symbol": symbol,
        "unified": unified,
        "balance": BALANCE,
        "hmac": {"key": hmac, "secret": secret},
        "ed25519": {"key": ed, "pem": pem},
    }
    return row, told


class Place:
    """A venue and its front; `file` is what the clients read."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.file = self.directory / "clients.json"
        self.venue = None
        self.server = None

    async def __aenter__(self):
        made = {name: account(self.directory, name) for name in CLIENTS}
        accounts = self.directory / "accounts.json"
        accounts.write_text(json.dumps([row for row, _ in made.values()]))
        with open(self.directory / "venue.log", "wb") as log:
            self.venue = await asyncio.create_subprocess_exec(
                str(Path(os.environ.get("HELIOS_BIN", "target/release/helios")).resolve()),
                *("venue", "--json", "--accounts", str(accounts), "--seed", "7"),
                *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
                cwd=self.directory,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        try:
            async with asyncio.timeout(PATIENCE):
                while "rest" not in (said := json.loads(await self.venue.stdout.readline() or b'{"rest": ""}')):
                    pass
            if not said["rest"]:
                raise RuntimeError(f"the venue ended before it listened: {self.directory / 'venue.log'}")
            listens = said["rest"].removeprefix("http://")
            certificate = self.directory / "ca.pem"
            host, _, port = listens.rpartition(":")
            self.server = await front.serve((host, int(port)), ("127.0.0.1", 0), str(certificate))
        except BaseException:
            await self.__aexit__()
            raise
        place = {
            "plain": listens,
            "admin": said["admin"].removeprefix("http://"),
            "tlsPort": self.server.sockets[0].getsockname()[1],
            "ca": str(certificate),
            "accounts": {name: told for name, (_, told) in made.items()},
        }
        self.file.touch(mode=0o600)
        self.file.write_text(json.dumps(place))
        return self

    async def __aexit__(self, *_):
        if self.server:
            self.server.close()
        if self.venue.returncode is None:
            self.venue.terminate()
            try:
                await asyncio.wait_for(self.venue.wait(), PATIENCE)
            except TimeoutError:
                self.venue.kill()
                await self.venue.wait()
