"""An S3 server of a few objects behind TLS, client certificates and a proxy, which tells what each client sent.

A stand-in because no real server here is reached through a proxy by another name, or asks for certificates; it speaks S3's
protocol over real sockets, as far as reading one object and writing one needs it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import select
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BODY = b"a,b\n1,2\n"
"""What each key below `bucket/` holds, whatever its name."""


@dataclass(frozen=True)
class Request:
    """What arrived: the request line's target as it was written, and the headers."""

    method: str
    target: str
    headers: Message


class _Storage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _note(self) -> None:
        self.server.requests.append(Request(self.command, self.path, self.headers))

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        """An object, or a range of it; a listing of it."""
        self._note()
        path, _, query = self.path.partition("?")
        path = re.sub(r"^http://[^/]+", "", path)
        if "list-type" in query:
            self._answer(200, _LISTING, content_type="application/xml")
            return
        if path.count("/") < 2:
            self._answer(200)
            return
        facts = {"ETag": f'"{hashlib.md5(BODY).hexdigest()}"', "Last_Modified": "Tue, 01 Dec 2026 00:00:00 GMT"}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if asked and self.command == "GET":
            first = int(asked[1]) if asked[1] else len(BODY) - int(asked[2])
            last = min(int(asked[2]) if asked[1] and asked[2] else len(BODY) - 1, len(BODY) - 1)
            self._answer(206, BODY[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(BODY)}", **facts)
            return
        self._answer(200, BODY, **facts)

    do_HEAD = do_GET  # noqa: N815 (the handler's own spelling)

    def do_PUT(self) -> None:
        """Taken, and forgotten: no wish of the headers is fulfilled."""
        self._note()
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer(200, ETag='"0"')

    def do_DELETE(self) -> None:
        """Done."""
        self._note()
        self._answer(204)


_LISTING = (
    b'<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>'
    b"<Contents><Key>key.csv</Key><LastModified>2026-12-01T00:00:00.000Z</LastModified><ETag>&quot;%b&quot;</ETag><Size>%d</Size>"
    b"</Contents></ListBucketResult>"
) % (hashlib.md5(BODY).hexdigest().encode(), len(BODY))


class StandIn(ThreadingHTTPServer):
    """The server; a context manager.

    Args:
        tls: How TLS is spoken, None without.

    Attributes:
        requests: What arrived so far.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Storage)
        self.requests: list[Request] = []
        self._tls = tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """In the thread of the connection, so that a handshake that hangs holds up nobody else."""
        with suppress(OSError):
            if self._tls is None:
                super().finish_request(request, client_address)  # type: ignore[arg-type]
                return
            with self._tls.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:  # type: ignore[override]
        """Clients may leave."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Forward(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        """Pass a request with the whole address in its target on to the one server that there is."""
        self.server.seen.append((self.path, self.headers.get("proxy-authorization", "")))
        self.close_connection = True
        with socket.create_connection(self.server.origin) as onward:
            lines = [f"{self.command} {self.path} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() != "connection"]
            onward.sendall("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1"))
            while block := onward.recv(65_536):
                self.wfile.write(block)

    do_HEAD = do_GET  # noqa: N815 (the handler's own spelling)

    def do_CONNECT(self) -> None:
        """A tunnel to the one server that there is."""
        self.server.seen.append((self.path, self.headers.get("proxy-authorization", "")))
        self.close_connection = True
        with socket.create_connection(self.server.origin) as onward:
            self.wfile.write(b"HTTP/1.1 200 open\r\n\r\n")
            ends = (self.connection, onward)
            while ready := select.select(ends, [], [], 30)[0]:
                for end in ready:
                    block = end.recv(65_536)
                    if not block:
                        return
                    ends[end is self.connection].sendall(block)


class ForwardProxy(ThreadingHTTPServer):
    """A forward proxy that knows one server, by whatever name it is asked for; a context manager.

    Attributes:
        seen: Target and credentials of each request.
    """

    daemon_threads = True

    def __init__(self, behind: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.origin = ("127.0.0.1", behind.server_address[1])
        self.seen: list[tuple[str, str]] = []
        self.url = f"http://someone:let-me-out@127.0.0.1:{self.server_address[1]}"
        self.credentials = "Basic " + base64.b64encode(b"someone:let-me-out").decode()

    def handle_error(self, request: object, client_address: object) -> None:  # type: ignore[override]
        """Clients may leave."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own, and what it signed.

    Attributes:
        bundle: Its certificate.
        server: Certificate and key of the server `127.0.0.1` and `storage.invalid`.
        client: Certificate and key of a client.
    """

    bundle: Path
    server: Path
    client: Path

    def make_tls(self, *, asks_clients: bool = False, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """A server's TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server)
        context.maximum_version = newest
        if asks_clients:
            context.load_verify_locations(self.bundle)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make_authority(folder: Path) -> Authority:
    """An authority with its files in `folder`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our own")])
    own = _sign(name, name, key, key, [x509.BasicConstraints(ca=True, path_length=None)])
    bundle = folder / "authority.pem"
    bundle.write_bytes(own.public_bytes(serialization.Encoding.PEM))
    made = []
    for who in ("server", "client"):
        own_key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("storage.invalid"), x509.IPAddress(ip_address("127.0.0.1"))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])
        signed = _sign(subject, name, own_key, key, [names, x509.BasicConstraints(ca=False, path_length=None)])
        file = folder / f"{who}.pem"
        plain = serialization.NoEncryption()
        file.write_bytes(
            own_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + signed.public_bytes(serialization.Encoding.PEM)
        )
        made.append(file)
    return Authority(bundle, *made)


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[x509.ExtensionType],
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256())
