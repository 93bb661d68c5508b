"""Requests to Coinbase's public REST API: within its limits, repeated while that helps, refusals as the SDK's errors."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from lakehouse_sdk.archives.coinbase.limits import RequestLimit
from lakehouse_sdk.config import CoinbaseSettings
from lakehouse_sdk.errors import AccessError, ConnectError, LakehouseError, NotFoundError, StorageError
from lakehouse_sdk.retry import RetryPolicy, call_with_retry

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
"""What may be over with the next attempt; from 520 the network in front of the API speaks."""
_MAX_PAUSE_S = 60.0
_DEFAULT_PAUSE_S = 1.0
"""Pause after a 429 that names none: limits are counted by the second."""
_SHOWN = 120
_CHECK_ADDRESS = "Check the network and archives.coinbase.api_url (`lakehouse config show --origin`)."
_HEADERS = {"User-Agent": "lakehouse-sdk", "Accept": "application/json", "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Page:
    """One answer with rows.

    Attributes:
        url: What was asked.
        status: HTTP status.
        at: When the answer had come, by this machine's clock, UTC.
        sha256: Of the body, hex.
        rows: The JSON array; all its numbers are the text that was sent.
        older: Cursor of the page with older rows, as `CB-AFTER` says it; None where there is none.
    """

    url: str
    status: int
    at: datetime
    sha256: str
    rows: list[Any]
    older: int | None

    def to_log_line(self, **counts: int) -> bytes:
        """One line of the request log, with further counts about the rows."""
        entry = {"url": self.url, "status": self.status, "at": self.at.isoformat(), "rows": len(self.rows), **counts}
        return json.dumps({**entry, "sha256": self.sha256}).encode() + b"\n"


class CoinbaseApi:
    """The public API: no key, JSON; safe to share between threads, which share its budget of requests.

    No answer, a cut one, 429 and 5xx are asked again, up to `max_attempts` times in all, with exponential backoff and full
    jitter; a 429 stops all threads for as long as the server says. Numbers are never read as floats.

    Args:
        settings: Address and limits.
        max_connections: Connections kept open for reuse.
    """

    def __init__(self, settings: CoinbaseSettings, *, max_connections: int) -> None:
        self.url = settings.api_url.rstrip("/")
        self._policy = RetryPolicy(settings.max_attempts)
        self._limit = RequestLimit(settings.requests_per_s)
        timeout = urllib3.Timeout(connect=settings.timeout_s, read=settings.timeout_s)
        self._pool = urllib3.PoolManager(maxsize=max_connections, timeout=timeout, headers=_HEADERS)

    def get_page(self, path: str, query: Mapping[str, str] | None = None) -> Page:
        """The rows below `path`.

        Raises:
            ConnectError: Nobody answers, after retries.
            AccessError: The API refuses this machine.
            NotFoundError: No such product.
            StorageError: Any other refusal, after retries where they may help; an answer that is no JSON array.
        """
        url = f"{self.url}{path}?{urlencode(query)}" if query else f"{self.url}{path}"
        return call_with_retry(lambda _: self._ask(url), self._policy, wait=self._wait)

    def _wait(self, seconds: float) -> bool:
        """Between two attempts; where the API said how long, `take` waits, with all other threads."""
        if not self._limit.is_paused:
            time.sleep(seconds)
        return False

    def _refusal(self, url: str, answer: urllib3.BaseHTTPResponse) -> LakehouseError:
        """The error that an answer means; where it may pass, no thread asks for as long as the answer says."""
        refusal = _translate(url, answer)
        refusal.is_transient = answer.status in _PASSING_STATUS
        pause_s = _read_pause_s(answer) if refusal.is_transient else None
        if pause_s is not None and pause_s > _MAX_PAUSE_S:
            refusal.hint = f"Run the same again in {pause_s:.0f} seconds, or lower archives.coinbase.requests_per_s."
            refusal.is_transient = False
        elif pause_s is not None or answer.status == 429:
            self._limit.pause(_DEFAULT_PAUSE_S if pause_s is None else pause_s)
        return refusal

    def _ask(self, url: str) -> Page:
        self._limit.take()
        try:
            answer = self._pool.request("GET", url, redirect=False, retries=False)
        except SSLError as error:
            refused = ConnectError(f"No TLS connection to {self.url} ({error}).", hint=_CHECK_ADDRESS)
            refused.is_transient = False
            raise refused from error
        except HTTPError as error:
            raise ConnectError(f"No whole answer from {url} ({type(error).__name__}).", hint=_CHECK_ADDRESS) from error
        if answer.status != 200:
            raise self._refusal(url, answer)
        try:
            rows = json.loads(answer.data, parse_float=str, parse_int=str)
        except ValueError as error:
            refusal = StorageError(f"{url} answers with something that is not JSON: {_beginning(answer)}.", hint=_CHECK_ADDRESS)
            refusal.is_transient = answer.data.lstrip()[:1] in {b"[", b"{"}  # JSON that was cut
            raise refusal from error
        if not isinstance(rows, list):
            raise StorageError(f"{url} answers with no list: {_beginning(answer)}.", hint=_CHECK_ADDRESS)
        sha256 = hashlib.sha256(answer.data).hexdigest()
        return Page(url, answer.status, datetime.now(UTC), sha256, rows, _read_cursor(url, answer))


def _translate(url: str, answer: urllib3.BaseHTTPResponse) -> LakehouseError:
    status, words = answer.status, _beginning(answer)
    if status in {401, 403, 451}:
        hint = (
            "The API is public and needs no key: check archives.coinbase.api_url, and whether it serves this network's region."
        )
        return AccessError(f"{url} is refused: {status} {words}.", hint=hint)
    if status == 404:
        hint = "Check the product's name; discovery lists all that there are, delisted ones too."
        return NotFoundError(f"There is nothing at {url}: {words}.", hint=hint)
    if status not in _PASSING_STATUS:
        return StorageError(f"{url} is answered with {status}: {words}.", hint=_CHECK_ADDRESS, status=status)
    hint = "Coinbase is in trouble, or asked too often from this address; run the same again later."
    return StorageError(f"{url} is answered with {status}: {words}.", hint=hint, status=status)


def _read_pause_s(answer: urllib3.BaseHTTPResponse) -> float | None:
    """Seconds that `Retry-After` asks for; a date counts from the server's own clock, for ours may be another."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text)
    try:
        until, now = (parsedate_to_datetime(value) for value in (text, answer.headers.get("Date", "")))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _read_cursor(url: str, answer: urllib3.BaseHTTPResponse) -> int | None:
    text = answer.headers.get("CB-AFTER")
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        raise StorageError(f"{url} is answered with the cursor CB-AFTER {text!r}, which is no trade id.", hint=_CHECK_ADDRESS)
    return int(text)


def _beginning(answer: urllib3.BaseHTTPResponse) -> str:
    """The server's own words: the `message` of its JSON, else how its body begins, in quotes."""
    try:
        message = json.loads(answer.data)["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.data.decode("utf-8", "replace")
    return repr(" ".join(str(message).split())[:_SHOWN])
