"""MinIO's key service, as far as MinIO asks it: a stand-in, because the real one is archived and has no package here."""

from __future__ import annotations

import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.support.stand_in import Authority


class _Keys(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeKes

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _answer(self, fields: dict[str, object], status: int = 200) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Its version."""
        self._answer({"version": "v0.22.0"})

    def do_PUT(self) -> None:
        """A data key, whose encrypted form is itself; or that back."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.server.sealed:
            self.server.refused += 1
            self._answer({"message": "sealed"}, 503)
        elif "decrypt" in self.path:
            self._answer({"plaintext": body["ciphertext"]})
        else:
            key = base64.b64encode(os.urandom(32)).decode()
            self._answer({"plaintext": key, "ciphertext": key})

    do_POST = do_PUT  # noqa: N815 (the handler's own spelling)


class FakeKes(ThreadingHTTPServer):
    """The service; a context manager.

    Attributes:
        environment: MinIO's variables for it.
        sealed: True makes it refuse everything.
        refused: How often it did.
    """

    daemon_threads = True

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.socket = authority.make_tls().wrap_socket(self.socket, server_side=True)
        self.sealed = False
        self.refused = 0
        self.environment = {
            "MINIO_KMS_KES_ENDPOINT": f"https://127.0.0.1:{self.server_address[1]}",
            "MINIO_KMS_KES_KEY_NAME": "k",
            "MINIO_KMS_KES_API_KEY": "kes:v1:AD9E7FSYWrMD+VjhI6q545cYT9YOyFxZb7UnjEepYDRc",
            "MINIO_KMS_KES_CAPATH": str(authority.bundle),
        }

    def handle_error(self, request: object, client_address: object) -> None:  # type: ignore[override]
        """Clients may leave."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
