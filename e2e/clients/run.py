"""Runs outside clients against a venue and says what each of their checks saw.

    "$(tools/clients.sh)/python/bin/python" e2e/clients/run.py "$(tools/clients.sh)" [client...]

The checks that must come are those of the tables in docs/clients.md: one that is missing, or not listed there, fails the run.
Logs of a run that failed are kept, and their directory is printed."""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# Nothing is left behind in the sources.
sys.dont_write_bytecode = True

from place import CLIENTS, Place  # noqa: E402

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "clients.md"


def listed():
    """The checks that the page promises: rows `| client | check | ...` of its tables."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.M)
    return [(client, name.strip()) for client, checks in rows if client in CLIENTS for name in checks.split(" · ")]


def command(installed, client, *more):
    """How a client's program is run."""
    if client == "node":
        return [str(installed / "node" / "node"), str(HERE / "with_node" / "main.mjs"), *more]
    return [sys.executable, "-m", f"with_{client.replace('-', '_')}", *more]


async def run(installed, place, client, *more):
    """Runs a client's program to its end; returns its checks as (client, name, why not)."""
    log = place.directory / f"{client}{''.join(more)}.log"
    # The venue is on loopback: no proxy of the machine is on the way there.
    inherited = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environment = {
        **inherited,
        "NO_PROXY": "*",
        "no_proxy": "*",
        "HELIOS_CLIENTS": str(place.file),
        "HELIOS_NODE": str(installed / "node") + "/",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_EXTRA_CA_CERTS": str(place.directory / "ca.pem"),
    }
    with open(log, "wb") as f:
        program = await asyncio.create_subprocess_exec(
            *command(installed, client, *more), cwd=HERE, env=environment, stdout=asyncio.subprocess.PIPE, stderr=f, limit=2**24
        )
        seen = []
        try:
            async for line in program.stdout:
                try:
                    said = json.loads(line)
                    seen.append((client, said["check"], said["why"]))
                except (ValueError, KeyError, TypeError):
                    f.write(line)
            code = await program.wait()
        finally:
            if program.returncode is None:
                program.kill()
    if code != (1 if any(why for _, _, why in seen) else 0):
        seen.append((client, "its program ends", f"it ended with {code}: {log}"))
    return seen


async def judge(installed, clients, directory):
    """All flows beside each other, and then those that end with the address refused, one after the other."""
    async with Place(directory) as place:
        seen = sum(await asyncio.gather(*(run(installed, place, c) for c in clients)), [])
        for client in clients:
            seen += await run(installed, place, client, "limits")
    return seen


def verdict(seen, clients):
    """Prints the list; returns whether all is well."""
    wanted = [w for w in listed() if w[0] in clients]
    came = [(client, name) for client, name, _ in seen]
    seen += [(*w, "it did not run") for w in wanted if w not in came]
    seen += [(*s, "docs/clients.md does not list it") for s in came if s not in wanted]
    seen += [(*s, "it ran more than once") for s in set(came) if came.count(s) > 1]
    for client, name, why in seen:
        print(f"{client:<15} {name:<72} {'ok' if why is None else 'FAILED: ' + why}")
    failed = sum(why is not None for _, _, why in seen)
    print(f"{len(seen) - failed} passed, {failed} failed")
    return not failed and bool(seen)


async def main(installed, *clients):
    loop = asyncio.get_running_loop()
    # An ended harness ends its venue too.
    loop.add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    directory = tempfile.mkdtemp(prefix="helios-clients-")
    clients = clients or list(CLIENTS)
    well = False
    try:
        well = verdict(await judge(Path(installed), clients, directory), clients)
    finally:
        if well:
            shutil.rmtree(directory)
        else:
            print(f"logs of the venue and of each client: {directory}")
    return 0 if well else 1


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1], "node").is_dir():
        sys.exit(f"usage: run.py $(tools/clients.sh) [client ...], clients: {' '.join(CLIENTS)}")
    sys.exit(asyncio.run(main(*sys.argv[1:])))
