"""A bucket of a million keys that nobody has to lay out: answers ListObjectsV2 over HTTP, page by page, from numbers.

MinIO takes most of an hour to take in a million objects here; what a plan of them costs its client does not depend on who
lists them.
Prints its address, and ends with its input.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
OBJECTS = int(sys.argv[1])
ROW = (
    "<Contents><Key>{0}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"{1:032x}"</ETag><Size>10</Size><StorageClass>STANDARD</StorageClass></Contents>'
)


def key_of(number: int) -> str:
    return f"part-{number // 10_000:04}/object-{number:08}.bin"


def find_first(after: str) -> int:
    """Number of the first key that sorts after a text."""
    low, high = 0, OBJECTS
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if key_of(middle) <= after else (low, middle)
    return low


class Handler(BaseHTTPRequestHandler):
    """Two buckets: `full`, and any other one, which is empty."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(b"")

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(place.query, keep_blank_values=True).items()}
        if "location" in query:
            self.answer(b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>')
            return
        objects = OBJECTS if place.path.startswith("/full") else 0
        self.answer(self.list_page(query, objects).encode())

    def list_page(self, query: dict[str, str], objects: int) -> str:
        prefix, after = query.get("prefix", ""), query.get("continuation-token") or query.get("start-after", "")
        rows: list[str] = []
        last, number = "", find_first(max(after, prefix[:-1]))
        folders = "delimiter" in query
        limit = min(PAGE, int(query.get("max-keys", PAGE)))
        while number < objects and len(rows) < limit:
            key = key_of(number)
            if not key.startswith(prefix):
                if key > prefix:
                    break
                number = find_first(prefix)
                continue
            rest = key[len(prefix) :]
            if folders and "/" in rest:
                folder = prefix + rest[: rest.index("/") + 1]
                rows.append(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>")
                last = f"{folder}\x7f"
                number = find_first(last)
            else:
                rows.append(ROW.format(key, number))
                last = key
                number += 1
        truncated = number < objects and key_of(number).startswith(prefix)
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" if truncated else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>full</Name><Prefix>{prefix}</Prefix><KeyCount>{len(rows)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(truncated).lower()}</IsTruncated>{token}{''.join(rows)}"
            "</ListBucketResult>"
        )

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Stay silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
sys.stdin.read()
