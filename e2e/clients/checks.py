"""Named checks of one client: each says `ok` or why not, on a line of JSON that the harness reads.

A check that fails does not end the program: those after it still run, and say what they see."""

import asyncio
import contextlib
import json
import os
import sys
import traceback
import urllib.request
from decimal import Decimal

# A check that hangs has failed. Nothing here takes a tenth of it on an idle machine.
PATIENCE = 60


class Wrong(Exception):
    """A value that is not what it must be."""


def same(what, got, wanted):
    """Fails unless the two are equal; both are shown."""
    if got != wanted:
        raise Wrong(f"{what}: got {got!r}, wanted {wanted!r}")


def holds(what, truth, *shown):
    """Fails unless it is so; shows the values it was about."""
    if not truth:
        raise Wrong(f"{what} does not hold: {', '.join(repr(s) for s in shown)}")


def dec(value):
    """A number as the client gave it, without the binary fraction of a float."""
    return Decimal(str(value))


def grid(value, step):
    """The nearest multiple of the step below."""
    step = dec(step)
    return (dec(value) / step).to_integral_value(rounding="ROUND_FLOOR") * step


class Checks:
    """The checks of one client."""

    def __init__(self, client):
        with open(os.environ["HELIOS_CLIENTS"], encoding="utf-8") as f:
            self.place = json.load(f)
        self.client = client
        self.mine = self.place["accounts"][client]
        self.failed = 0

    @contextlib.asynccontextmanager
    async def check(self, name):
        """Runs its body as the check of that name."""
        why = None
        try:
            async with asyncio.timeout(PATIENCE):
                yield
        except Exception as e:  # Whatever a client throws where it should not is the answer.
            why = f"{type(e).__name__}: {e}"
            if not isinstance(e, Wrong):
                traceback.print_exc()
            self.failed += 1
        print(json.dumps({"client": self.client, "check": name, "why": why}), flush=True)

    @contextlib.asynccontextmanager
    async def raises(self, name, kind, *words):
        """A check whose body must raise exactly that class, with those words in what it says."""
        async with self.check(name):
            try:
                yield
            except Exception as e:
                holds(f"{kind.__name__} with {words}", type(e) is kind and all(w in str(e) for w in words), e)
            else:
                raise Wrong(f"no {kind.__name__}")

    def move(self, symbol, path):
        """Moves a symbol's market along a path of (ms from now, factor); returns at once."""
        ask = urllib.request.Request(
            f"http://{self.place['admin']}/price-path",
            data=json.dumps({"symbol": symbol, "path": path}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(ask, timeout=10) as answer:
            same("price-path", answer.status, 200)

    def done(self):
        """Ends the program: 0 if every check was ok."""
        sys.exit(1 if self.failed else 0)


async def until(what, see, every=0.05):
    """Looks until it is so, and returns what was seen; the check's own time ends it."""
    while True:
        seen = await see()
        if seen:
            return seen
        await asyncio.sleep(every)
