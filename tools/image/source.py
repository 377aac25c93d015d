"""Copies the checkout to where the image's program is built, and touches only what differs.

source.py CHECKOUT DIRECTORY

There every checkout of a user is built at one path and with one cache: Cargo goes by times, so a file whose content is the
same keeps its time, and one that is another gets the time of now, however old it is.
"""

import os
import pathlib
import shutil
import subprocess
import sys


def listing(checkout):
    """What git knows of or would: without build results. An unpacked archive has no git, and is all source."""
    out = subprocess.run(["git", "-C", checkout, "ls-files", "-coz", "--exclude-standard"], capture_output=True, check=False)
    if out.returncode == 0:
        return {os.fsdecode(name) for name in out.stdout.split(b"\0") if name}
    names = set()
    for at, folders, files in os.walk(checkout):
        folders[:] = [f for f in folders if f not in ("target", ".git")]
        names |= {os.path.relpath(os.path.join(at, file), checkout) for file in files}
    return names


def main(checkout, directory):
    root = pathlib.Path(directory)
    root.mkdir(parents=True, exist_ok=True)
    wanted = {name for name in listing(checkout) if (pathlib.Path(checkout) / name).is_file()}
    for at, _, files in os.walk(root):
        for file in files:
            path = pathlib.Path(at) / file
            if str(path.relative_to(root)) not in wanted:
                path.unlink()
    for name in sorted(wanted):
        here, there = pathlib.Path(checkout) / name, root / name
        if not there.is_file() or there.read_bytes() != here.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(here, there)


if __name__ == "__main__":
    main(*sys.argv[1:])
