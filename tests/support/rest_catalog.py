"""A real Iceberg REST catalogue on a free port: the protocol over HTTP, kept in an SQL catalogue of its own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from pyiceberg import exceptions
from pyiceberg.catalog.rest import CreateTableRequest, RegisterTableRequest, TableResponse
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import CommitTableRequest, Table

_STATUS = {
    exceptions.NoSuchTableError: 404,
    exceptions.NoSuchNamespaceError: 404,
    exceptions.TableAlreadyExistsError: 409,
    exceptions.NamespaceAlreadyExistsError: 409,
    exceptions.CommitFailedException: 409,
}


class RestServer:
    """Serves in `with`.

    Attributes:
        uri: Its address.
        token: The bearer token that it asks for.
        requests: Method and path of every request so far.
    """

    def __init__(self, catalog: SqlCatalog, token: str) -> None:
        self.token = token
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"owner": self, "catalog": catalog})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: RestServer
    catalog: SqlCatalog
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.owner.requests.append(f"{method} {path}")
        parts = [unquote(part) for part in path.split("/")[2:]]
        try:
            if self.headers.get("Authorization") != f"Bearer {self.owner.token}":
                self._send(401, _error("NotAuthorizedException", "the token is wrong", 401))
                return
            self._send(200, self._do(method, parts, body))
        except tuple(_STATUS) as error:
            status = _STATUS[type(error)]
            self._send(status, _error(type(error).__name__, str(error), status))

    def _do(self, method: str, parts: list[str], body: bytes) -> str:
        match method, parts:
            case "GET", ["config"]:
                return json.dumps({"defaults": {}, "overrides": {}})
            case "GET", ["namespaces"]:
                return json.dumps({"namespaces": [list(name) for name in self.catalog.list_namespaces()]})
            case "POST", ["namespaces"]:
                asked = json.loads(body)
                self.catalog.create_namespace(tuple(asked["namespace"]))
                return json.dumps({"namespace": asked["namespace"], "properties": {}})
            case "GET", ["namespaces", namespace, "tables"]:
                names = self.catalog.list_tables(namespace)
                return json.dumps({"identifiers": [{"namespace": list(name[:-1]), "name": name[-1]} for name in names]})
            case "POST", ["namespaces", namespace, "tables"]:
                create = CreateTableRequest.model_validate_json(body)
                optional = {"partition_spec": create.partition_spec, "sort_order": create.write_order}
                given: dict[str, Any] = {name: value for name, value in optional.items() if value is not None}
                table = self.catalog.create_table(
                    (namespace, create.name), create.table_schema, create.location, properties=create.properties, **given
                )
                return _describe(table)
            case "POST", ["namespaces", namespace, "register"]:
                register = RegisterTableRequest.model_validate_json(body)
                return _describe(self.catalog.register_table((namespace, register.name), register.metadata_location))
            case "GET", ["namespaces", namespace, "tables", name]:
                return _describe(self.catalog.load_table((namespace, name)))
            case "POST", ["namespaces", namespace, "tables", name]:
                commit = CommitTableRequest.model_validate_json(body)
                table = self.catalog.load_table((namespace, name))
                done = self.catalog.commit_table(table, commit.requirements, commit.updates)
                return done.model_dump_json(by_alias=True)
            case "DELETE", ["namespaces", namespace, "tables", name]:
                self.catalog.drop_table((namespace, name))
                return "{}"
        raise AssertionError(f"{method} {parts}")

    def _send(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _describe(table: Table) -> str:
    answer = TableResponse(metadata_location=table.metadata_location, metadata=table.metadata)
    return answer.model_dump_json(by_alias=True)


def _error(kind: str, message: str, code: int) -> str:
    return json.dumps({"error": {"type": kind, "message": message, "code": code}})
