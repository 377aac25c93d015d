"""Puts an image together out of Debian's packages and the program: an archive of one platform, without a daemon.

The archive is an OCI layout and, by its manifest.json, what `docker save` writes, so both kinds of readers take it. The
same input is the same archive, byte for byte: everything in it is sorted, belongs to root and has one date.
"""

import argparse
import calendar
import datetime
import hashlib
import io
import json
import lzma
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import debian
from debian import Stop

# No symbol of a newer glibc may be needed: the binary runs on what a cluster's oldest nodes have, too.
GLIBC = (2, 28)
# The whole image, unpacked.
LIMIT = 120_000_000
USER = 65532
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
CERTIFICATES = "usr/share/ca-certificates/mozilla/"
# Of Debian's packages: what a program needs at run time, and licences. Not their scripts and manuals, and not the
# character sets of iconv (8 MB), which nothing here converts.
DROPPED = re.compile(
    r"(usr/)?s?bin/|etc/(ca-certificates|ld\.so\.conf\.d)|usr/share/(?!doc/|ca-certificates/mozilla/)"
    r"|usr/share/doc/[^/]+/(?!copyright$)|.*/(gconv|audit)/|usr/share/gcc/|usr/share/gdb/")
TRIPLES = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LIBRARIES = ["lib/{}", "usr/lib/{}", "lib", "lib64"]


class Layer:
    """Files by their path; written as a tar whose bytes depend on nothing else."""

    def __init__(self, date):
        self.date = date
        self.entries = {}

    def add(self, path, data=b"", mode=0o644, kind=tarfile.REGTYPE, link=""):
        entry = tarfile.TarInfo(path)
        entry.mode, entry.mtime, entry.type, entry.linkname, entry.size = mode, self.date, kind, link, len(data)
        self.entries[path] = (entry, data)

    def directory(self, path, mode=0o755):
        self.add(path, mode=mode, kind=tarfile.DIRTYPE)

    def size(self):
        """As a disk has it: in blocks of 4 KiB."""
        return sum(-(-entry.size // 4096) * 4096 for entry, _ in self.entries.values())

    def tar(self):
        for path in list(self.entries):
            for parent in pathlib.PurePosixPath(path).parents:
                if str(parent) not in self.entries and str(parent) != ".":
                    self.directory(str(parent))
        return tar(self.entries)


def tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(entries):
            entry, data = entries[path]
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def members(deb):
    """A package's parts: an `ar` of control.tar and data.tar."""
    raw = deb.read_bytes()
    if not raw.startswith(b"!<arch>\n"):
        raise Stop(f"{deb.name} is no package of Debian")
    at, parts = 8, {}
    while at + 60 <= len(raw):
        name = raw[at:at + 16].decode().strip().rstrip("/")
        size = int(raw[at + 48:at + 58])
        parts[name] = raw[at + 60:at + 60 + size]
        at += 60 + size + size % 2
    for name in ("control", "data"):
        if f"{name}.tar.xz" not in parts:
            raise Stop(f"{deb.name} has no {name}.tar.xz but {', '.join(parts)}: tools/image/assemble.py unpacks xz alone")
        yield tarfile.open(fileobj=io.BytesIO(lzma.decompress(parts[f"{name}.tar.xz"])))


def system(packages, debs, date):
    """The layer below the program: libraries, certificates, and the few files that libraries look for."""
    layer, certificates, provided = Layer(date), {}, ""
    for package, deb in zip(packages, debs):
        control, data = members(deb)
        # Here scanners look for Debian's packages where there is no dpkg.
        fields = control.extractfile("./control").read()
        layer.add(f"var/lib/dpkg/status.d/{package['name']}", fields)
        for member in data.getmembers():
            path = os.path.normpath(member.name)
            if path.startswith(("/", "..")) or member.islnk() or member.isdev():
                raise Stop(f"{deb.name} has {member.name}, which is no plain file")
            if path == "." or member.isdir() or DROPPED.match(path):
                continue
            content = b"" if member.issym() else data.extractfile(member).read()
            if path.startswith(CERTIFICATES):
                certificates[path] = content
            else:
                layer.add(path, content, member.mode & 0o755, member.type, member.linkname)
    if len(certificates) < 100:
        raise Stop(f"ca-certificates has only {len(certificates)} certificates: its layout must have changed")
    bundle = b"".join(certificates[path].rstrip(b"\n") + b"\n" for path in sorted(certificates))
    layer.add(BUNDLE, bundle)
    layer.add("etc/passwd", f"root:x:0:0:root:/:/nonexistent\nnonroot:x:{USER}:{USER}:nonroot:/:/nonexistent\n".encode())
    layer.add("etc/group", f"root:x:0:\nnonroot:x:{USER}:\n".encode())
    layer.add("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")
    # Scanners look up advisories by it.
    layer.add("usr/lib/os-release", (
        f'PRETTY_NAME="Helios on packages of Debian {debian.RELEASE}"\nNAME="Debian GNU/Linux"\nID=debian\n'
        f'VERSION_ID="{debian.RELEASE}"\nVERSION_CODENAME={debian.SUITE}\n').encode())
    layer.add("etc/os-release", kind=tarfile.SYMTYPE, mode=0o777, link="../usr/lib/os-release")
    # Mount points that a container runtime would have to make in a read-only root.
    for path in ("dev", "proc", "sys", "run", "home"):
        layer.directory(path)
    layer.directory("tmp", 0o1777)
    return layer


def check(binary, layer, architecture):
    """That the image has what the program is linked with, and nothing asks for a newer glibc."""
    try:
        out = subprocess.run(["readelf", "-hdVW", str(binary)], capture_output=True, text=True, check=True,
                             env={**os.environ, "LC_ALL": "C"}).stdout
    except FileNotFoundError:
        raise Stop("readelf is missing: install binutils") from None
    machine = {"amd64": "X86-64", "arm64": "AArch64"}[architecture]
    if machine not in out:
        raise Stop(f"{binary} is no program for {architecture}")
    places = [place.format(TRIPLES[architecture]) for place in LIBRARIES]
    for library in re.findall(r"\(NEEDED\).*\[(.+)\]", out):
        if not any(f"{place}/{library}" in layer.entries for place in places):
            raise Stop(f"the program needs {library}, and no package of tools/image/debian.lock has it")
    needs = [tuple(map(int, v)) for v in re.findall(r"Name: GLIBC_(\d+)\.(\d+)", out)]
    if not needs:
        raise Stop(f"{binary} names no version of glibc: it is not linked as the image's program is")
    if max(needs) > GLIBC:
        raise Stop("the program needs glibc {}.{}; {}.{} is the newest allowed".format(*max(needs), *GLIBC))
    return max(needs)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def archive(layers, architecture, repository, version, created, date):
    """Layout and docker-archive in one, and the digest of the image's manifest."""
    blobs = {}

    def blob(media_type, data, **more):
        blobs[f"blobs/sha256/{sha256(data)}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{sha256(data)}", "size": len(data), **more}

    oci = "application/vnd.oci.image"
    platform = {"architecture": architecture, "os": "linux", **({"variant": "v8"} if architecture == "arm64" else {})}
    # Not compressed: compressors differ between machines, and a registry's client compresses what it sends.
    parts = [blob(f"{oci}.layer.v1.tar", layer) for layer in layers]
    config = blob(f"{oci}.config.v1+json", text({
        **platform, "created": created,
        "config": {
            "User": f"{USER}:{USER}", "Entrypoint": ["/usr/bin/helios"], "WorkingDir": "/",
            "Env": ["PATH=/usr/bin", f"SSL_CERT_FILE=/{BUNDLE}"],
            "Labels": {
                "org.opencontainers.image.title": "Helios",
                "org.opencontainers.image.description": "Operator, callout, coordinators, workers and simulated venue of Helios",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.created": created,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [part["digest"] for part in parts]},
        "history": [{"created": created, "created_by": f"tools/image.sh: {what}"} for what in ("Debian's packages", "helios")],
    }))
    manifest = blob(f"{oci}.manifest.v1+json", text(
        {"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config, "layers": parts}))
    name = f"{repository}:{version}"
    # containerd takes the annotation for the whole name, and kubelet asks for `helios:0.1.0` by the one with a host.
    manifest = {**manifest, "platform": platform, "annotations": {
        "io.containerd.image.name": name if "/" in name else f"docker.io/library/{name}",
        "org.opencontainers.image.ref.name": version}}
    blobs["index.json"] = text({"schemaVersion": 2, "mediaType": f"{oci}.index.v1+json", "manifests": [manifest]})
    blobs["oci-layout"] = text({"imageLayoutVersion": "1.0.0"})
    path = "blobs/sha256/{}".format
    blobs["manifest.json"] = text([{
        "Config": path(config["digest"][7:]), "RepoTags": [name], "Layers": [path(part["digest"][7:]) for part in parts]}])
    whole = Layer(date)
    for place, data in blobs.items():
        whole.add(place, data)
    return whole.tar(), manifest["digest"]


def main():
    words = argparse.ArgumentParser(description=__doc__)
    for name in ("architecture", "repository", "version", "binary", "sbom", "licence", "debs", "archive"):
        words.add_argument(f"--{name}", required=True)
    given = words.parse_args()
    packages, day = debian.of(given.architecture)
    moment = datetime.datetime.fromisoformat(day)
    date, created = calendar.timegm(moment.timetuple()), f"{day}T00:00:00Z"
    base = system(packages, debian.fetch(pathlib.Path(given.debs), given.architecture), date)
    needs = check(given.binary, base, given.architecture)
    program = Layer(date)
    program.add("usr/bin/helios", pathlib.Path(given.binary).read_bytes(), 0o755)
    program.add("usr/share/doc/helios/copyright", pathlib.Path(given.licence).read_bytes())
    program.add("usr/share/doc/helios/sbom.spdx.json", pathlib.Path(given.sbom).read_bytes())
    whole, digest = archive([base.tar(), program.tar()], given.architecture, given.repository, given.version, created, date)
    size = base.size() + program.size()
    if size > LIMIT:
        raise Stop(f"the image is {size / 1e6:.1f} MB unpacked; {LIMIT / 1e6:.0f} MB is the most")
    part = pathlib.Path(f"{given.archive}.part")
    part.write_bytes(whole)
    part.rename(given.archive)
    print(f"{given.archive}\n"
          f"  name      {given.repository}:{given.version} (linux/{given.architecture})\n"
          f"  digest    {digest}\n"
          f"  unpacked  {size / 1e6:.1f} MB: helios {program.size() / 1e6:.1f}, below it {base.size() / 1e6:.1f}; "
          f"{(LIMIT - size) / 1e6:.0f} MB are left\n"
          f"  needs     glibc {needs[0]}.{needs[1]} or newer")


if __name__ == "__main__":
    try:
        main()
    except Stop as e:
        sys.exit(f"helios: {e}")
