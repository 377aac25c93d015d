"""Writes the image's list of parts, as SPDX 2.3: Debian's packages, the program, and the crates that are linked into it.

sbom.py ARCH VERSION BINARY CRATES CARGO_LOCK RUSTC ZIG

CRATES is what `cargo tree` says of the program's normal dependencies, a line each: name, version, licence, repository,
with tabs between. The list says the same for the same input; its date is that of the packages' lock.
"""

import hashlib
import json
import pathlib
import re
import sys

import debian

URL = "https://helios.trading/spdx"


def package(kind, name, version, purl="", licence="NOASSERTION", sha256="", **more):
    spdx = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{name}-{version}"),
        "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION", "licenseDeclared": licence, "copyrightText": "NOASSERTION", **more,
    }
    if purl:
        spdx["externalRefs"] = [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
    if sha256:
        spdx["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256}]
    return spdx


def escaped(word):
    """A version as a purl has it."""
    return word.replace("+", "%2B").replace(":", "%3A")


def sums(lock):
    """Checksums of the crates, as Cargo.lock has them. Those of this workspace have none."""
    found, name, version = {}, "", ""
    for line in lock.read_text().splitlines():
        key, _, value = line.partition(" = ")
        value = value.strip('"')
        if key == "name":
            name = value
        elif key == "version":
            version = value
        elif key == "checksum":
            found[name, version] = value
    return found


def crates(listing, lock):
    checksums, found = sums(lock), {}
    for line in listing.read_text().splitlines():
        name, version, licence, repository = (line.split("\t") + [""] * 3)[:4]
        version = version.removeprefix("v")
        # An old way to write a choice, which SPDX does not know.
        licence = licence.replace(" / ", " OR ").replace("/", " OR ") or "NOASSERTION"
        sha256 = checksums.get((name, version), "")
        purl = f"pkg:cargo/{name}@{escaped(version)}" if sha256 else ""
        more = {"homepage": repository} if repository.startswith("http") else {}
        found[name, version] = package("crate", name, version, purl, licence, sha256, **more)
    return [found[key] for key in sorted(found)]


def document(architecture, version, binary, linked, rustc, zig):
    pinned, date = debian.of(architecture)
    image = package("image", f"helios-{architecture}", version, f"pkg:oci/helios?arch={architecture}&tag={version}",
                    primaryPackagePurpose="CONTAINER")
    program = package("program", "helios", version, licence="Apache-2.0",
                      sha256=hashlib.sha256(binary.read_bytes()).hexdigest(), primaryPackagePurpose="APPLICATION")
    debs = [
        package("deb", p["name"], p["version"],
                f"pkg:deb/debian/{p['name'].replace('+', '%2B')}@{escaped(p['version'])}?arch={p['architecture']}&distro={debian.SUITE}",
                sha256=p["sha256"], supplier="Organization: Debian")
        for p in pinned
    ]
    # What a compiler adds of its own: the standard library, an unwinder and arithmetic.
    runtime = [package("runtime", "rust-std", rustc, licence="MIT OR Apache-2.0"),
               package("runtime", "zig-libunwind-compiler-rt", zig, licence="MIT AND Apache-2.0 WITH LLVM-exception")]

    def relation(a, what, b):
        return {"spdxElementId": a, "relationshipType": what, "relatedSpdxElement": b["SPDXID"]}

    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", image)]
    relations += [relation(image["SPDXID"], "CONTAINS", p) for p in [*debs, program]]
    relations += [relation(program["SPDXID"], "STATIC_LINK", p) for p in [*linked, *runtime]]
    name = f"helios-{version}-{architecture}"
    packages = [image, *debs, program, *linked, *runtime]
    key = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"{URL}/{name}-{key}",
        "creationInfo": {"created": f"{date}T00:00:00Z", "creators": ["Tool: helios-tools-image"]},
        "packages": packages, "relationships": relations,
    }


def main(words):
    if len(words) != 7:
        sys.exit(f"helios: {__doc__}")
    architecture, version, binary, listing, lock, rustc, zig = words
    linked = crates(pathlib.Path(listing), pathlib.Path(lock))
    # A list that lacks the program's own parts is one of something else.
    if not any(crate["name"] == "helios-operator" for crate in linked):
        sys.exit(f"helios: {listing} does not name the crates of the whole program")
    print(json.dumps(document(architecture, version, pathlib.Path(binary), linked, rustc, zig), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
