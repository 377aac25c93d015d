"""Debian's packages of the image: those that debian.lock names, by version and checksum.

debian.py refresh          writes debian.lock anew from what the mirrors have today
debian.py fetch DIR ARCH   puts an architecture's packages into a directory; what is there already is only checked

Mirrors are those that apt is configured with, then HELIOS_DEBIAN_MIRRORS: addresses that have `pool/` below them. A
snapshot of the archive is one, too; so is the security archive, which has a pool of its own.
"""

import datetime
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

# Its archive no longer changes but for security updates (supported until June 2028), so what is pinned stays to be had.
SUITE, RELEASE = "bookworm", "12"
ARCHITECTURES = ["amd64", "arm64"]
# What the binary is linked with, and what the ONNX runtime will be (C++). The last has the licences of GCC's libraries,
# which their own packages only point to.
PACKAGES = ["libc6", "libgcc-s1", "libstdc++6", "gcc-12-base"]
# Whom TLS trusts; the same for every architecture.
INDEPENDENT = ["ca-certificates"]
LOCK = pathlib.Path(__file__).with_name("debian.lock")
HELPER = "/usr/lib/apt/apt-helper"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HEAD = """\
# Debian's packages of the image. Written by `tools/image.sh --refresh`; don't edit.
# Every file of the image carries this date, so that it says nothing about when and where it was built.
"""


class Stop(Exception):
    """Words for whoever ran it."""


def read(lock=LOCK):
    """The date of the lock, and its packages as dictionaries."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    (date,) = [words[1] for words in lines if words[0] == "date"]
    keys = ("name", "version", "architecture", "sha256", "path")
    return date, [dict(zip(keys, words)) for words in lines if words[0] != "date"]


def of(architecture):
    """The packages of one architecture, and the lock's date."""
    date, packages = read()
    return [p for p in packages if p["architecture"] in (architecture, "all")], date


def mirrors():
    found = []
    if shutil.which("apt-get"):
        out = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"],
            capture_output=True, text=True, check=False)
        found += out.stdout.split()
    found += os.environ.get("HELIOS_DEBIAN_MIRRORS", "").split()
    found = [uri.rstrip("/") for uri in found if uri.startswith(("http://", "https://", "file:"))]
    if not found:
        raise Stop("no mirror of Debian is known: this machine has no apt; name one, and one of Debian's security archive, "
                   "with HELIOS_DEBIAN_MIRRORS='URL URL' (the addresses that have dists/ and pool/ below them)")
    return list(dict.fromkeys(found))


def sum_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def download(uri, to):
    """None, or what went wrong. apt knows the proxies and credentials of this machine, so it is asked if it is there."""
    if os.access(HELPER, os.X_OK):
        out = subprocess.run([HELPER, "-o", "APT::Sandbox::User=", "download-file", uri, str(to)],
                             capture_output=True, text=True, check=False)
        errors = [line for line in out.stderr.splitlines() if line.startswith("E:")] or [f"{HELPER} failed"]
        return None if out.returncode == 0 else errors[0].removeprefix(f"E: Failed to fetch {uri}").strip()
    try:
        with urllib.request.urlopen(uri, timeout=60) as answer, open(to, "wb") as file:
            shutil.copyfileobj(answer, file)
    except OSError as e:
        return str(e)
    return None


def fetch(directory, architecture):
    """Paths of an architecture's packages, each with the checksum of the lock."""
    directory.mkdir(parents=True, exist_ok=True)
    packages, _ = of(architecture)
    if not packages:
        raise Stop(f"debian.lock has no package of {architecture}")
    files = []
    for package in packages:
        file = directory / package["path"].rsplit("/", 1)[1]
        if not file.exists() or sum_of(file) != package["sha256"]:
            get(package, file)
        files.append(file)
    return files


def get(package, file):
    name = f"{package['name']} {package['version']} ({package['architecture']})"
    said = []
    with tempfile.TemporaryDirectory(dir=file.parent) as work:
        for mirror in mirrors():
            uri = f"{mirror}/{urllib.parse.quote(package['path'])}"
            part = pathlib.Path(work) / file.name
            wrong = download(uri, part)
            if wrong is None and sum_of(part) != package["sha256"]:
                wrong = "its checksum is not the one of debian.lock"
            if wrong is None:
                part.rename(file)
                return
            part.unlink(missing_ok=True)
            said.append(f"  {uri}: {wrong}")
    raise Stop(f"{name} can't be had as tools/image/debian.lock pins it:\n" + "\n".join(said) + "\n"
               "Debian takes a version off its mirrors when a newer one is out: `tools/image.sh --refresh` pins what is there "
               "today (look at the difference, and commit it). To build the old image all the same, name a snapshot of "
               "Debian's archive with HELIOS_DEBIAN_MIRRORS.")


def refresh():
    """The newest versions for all architectures, out of indices whose signatures apt has checked."""
    for need in ("apt-get", KEYRING):
        if not (shutil.which(need) or os.path.exists(need)):
            raise Stop(f"{need} is missing: the lock is refreshed on Debian or its like (debian-archive-keyring)")
    with tempfile.TemporaryDirectory() as work:
        for sub in ("state/lists/partial", "cache/archives/partial"):
            os.makedirs(f"{work}/{sub}")
        open(f"{work}/state/status", "w").close()
        sources, bases = [], mirrors()
        for base in bases:
            suite = f"{SUITE}-security" if "security" in base else SUITE
            sources.append(f"deb [signed-by={KEYRING}] {base} {suite} main")
        pathlib.Path(f"{work}/sources.list").write_text("\n".join(sources) + "\n")
        options = {
            "Dir::State": f"{work}/state", "Dir::State::status": f"{work}/state/status", "Dir::Cache": f"{work}/cache",
            "Dir::Etc::sourcelist": f"{work}/sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "APT::Architecture": ARCHITECTURES[0], "APT::Sandbox::User": "",
        }
        apt = ["apt-get", *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
               *(word for a in ARCHITECTURES for word in ("-o", f"APT::Architectures::={a}"))]
        # A mirror of something else than Debian is no reason to stop: a package that is missing is.
        subprocess.run([*apt, "update", "-qq"], check=False)
        wanted = [f"{p}:{a}" for p in PACKAGES for a in ARCHITECTURES] + INDEPENDENT
        out = subprocess.run([*apt, "--print-uris", "download", *wanted], stdout=subprocess.PIPE, text=True, check=False)
        if out.returncode != 0:
            raise Stop("apt does not have all packages of the image: it says which above")
    rows = set()
    for uri, file, sha256 in re.findall(r"^'([^']+)' (\S+) \d+ SHA256:([0-9a-f]{64})$", out.stdout, re.M):
        uri = urllib.parse.unquote(uri)
        base = max((b for b in bases if uri.startswith(b + "/")), key=len)
        name, version, architecture = urllib.parse.unquote(file).removesuffix(".deb").split("_")
        rows.add((name, version, architecture, sha256, uri[len(base) + 1:]))
    date = datetime.datetime.now(datetime.timezone.utc).date()
    have = read()[1] if LOCK.exists() else []
    if rows == {tuple(p.values()) for p in have}:
        print("helios: debian.lock is as new as the mirrors", file=sys.stderr)
        return
    text = HEAD + f"date {date}\n" + "".join(" ".join(row) + "\n" for row in sorted(rows))
    LOCK.write_text(text)
    print(f"helios: debian.lock has {len(rows)} packages, of {date}", file=sys.stderr)


def main(words):
    if words == ["refresh"]:
        refresh()
    elif len(words) == 3 and words[0] == "fetch":
        for file in fetch(pathlib.Path(words[1]), words[2]):
            print(file)
    else:
        raise Stop(__doc__.strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Stop as e:
        sys.exit(f"helios: {e}")
