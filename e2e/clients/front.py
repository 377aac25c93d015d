"""A TLS front for a venue: some clients speak to `https://` and `wss://` only, or map errors by the name `fapi.<host>`.

Terminates TLS with a certificate made on the spot and forwards the bytes. As a program, for use by hand:

    python3 front.py 127.0.0.1:9181 127.0.0.1:9443 ca.pem     # prints nothing; trust ca.pem, ends with Ctrl-C"""

import asyncio
import datetime
import ipaddress
import ssl
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ["localhost", "fapi.localhost"]


def certificate(path):
    """Writes a self-signed certificate for the loopback's names to the path; returns it and its key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "helios venue front")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName(n) for n in NAMES] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    with open(path, "wb") as f:
        f.write(made.public_bytes(serialization.Encoding.PEM))
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def context(path):
    """A server's TLS context with a new certificate, which clients find at the path."""
    key = certificate(path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as f:
        f.write(key)
        f.flush()
        tls.load_cert_chain(path, f.name)
    return tls


async def pour(source, sink):
    """Copies until the source ends, then ends the sink."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        sink.close()


async def serve(venue, listen, path):
    """Listens with TLS at (host, port) and forwards to the venue's; returns the server."""

    async def accept(reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection(*venue)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pour(reader, inner_writer), pour(inner_reader, writer))

    return await asyncio.start_server(accept, *listen, ssl=context(path))


async def main(venue, listen, path):
    """Serves until it is ended."""
    split = [a.rpartition(":") for a in (venue, listen)]
    server = await serve(*[(host, int(port)) for host, _, port in split], path)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
