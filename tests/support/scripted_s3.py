"""A server that answers by script: the faults that a healthy MinIO does not show."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Self

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.storage import S3Client

RESET = b"reset"
"""In a script: end the connection with a TCP reset instead of an answer."""


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """One HTTP answer; `headers` spell `-` as `_`, and may lie about the length."""
    fields = {"Content_Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}Connection: close\r\n\r\n".encode() + body


def refuse(status: str, code: str) -> bytes:
    """An S3 error."""
    return answer(status, f"<Error><Code>{code}</Code><Message>As scripted.</Message></Error>".encode())


def page(*keys: str, token: str = "") -> bytes:
    """One page of a listing, with another one announced where there is a token."""
    entries = "".join(
        f"<Contents><Key>{key}</Key><LastModified>2026-11-20T10:00:00Z</LastModified><ETag>e</ETag><Size>1</Size></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return answer(body=f"<ListBucketResult>{more}{entries}</ListBucketResult>".encode())


class ScriptedServer:
    """Gives one answer of its script per connection, the last one again and again.

    Attributes:
        requests: Request lines, in the order in which they came.
        headers: Headers of the last request, lower case names.
        profile: Leads to this server.
        client: Requests to this server.
    """

    def __init__(self, *script: bytes) -> None:
        self.requests: list[str] = []
        self.headers: dict[str, str] = {}
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.endpoint_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.profile = S3Profile(endpoint_url=self.endpoint_url, access_key="key", secret_key="hush-hush", read_timeout_s=2)
        self.client = S3Client(self.profile)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # a client may leave before its answer
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            self.requests.append(reader.readline().decode(errors="replace").strip())
            length, self.headers = 0, {}
            while (line := reader.readline().strip()) != b"":
                name, _, value = line.decode(errors="replace").partition(":")
                self.headers[name.lower()] = value.strip()
                length = int(self.headers.get("content-length", "0"))
            if self.headers.get("expect") == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            reader.read(length)
        reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if reply == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.sendall(reply)
            connection.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self.client.close()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
