"""Where probes work, and how one is tried."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.storage.client import S3Client
from lakehouse_sdk.storage.conformance.report import ProbeResult
from lakehouse_sdk.storage.wire import Wire


class Gap(Exception):  # noqa: N818 (a finding, not a failure of ours)
    """How a server differs from S3, for people."""


class Bench:
    """Where probes work: one bucket, a prefix for each."""

    def __init__(self, profile: S3Profile, client: S3Client, bucket: str) -> None:
        self.profile = profile
        self.client = client
        self.bucket = bucket
        self.root = f"_conformance-{uuid.uuid4().hex[:12]}/"
        self.wire = Wire(profile, max_connections=2)
        self._places = 0
        self._keys: list[str] = []

    def place(self) -> str:
        """A prefix that nobody used."""
        self._places += 1
        return f"{self.root}{self._places}/"

    def put(self, key: str, body: bytes = b"x", **headers: str) -> str:
        """Write an object with any headers, and return its ETag."""
        self._keys.append(key)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.wire.send("PUT", self.bucket, key, headers=sent, body=body).headers.get("etag", "").strip('"')

    def get(self, key: str) -> bytes:
        """All bytes of an object."""
        return self.client.get_bytes(self.bucket, key)

    def keys(self, prefix: str) -> list[str]:
        """Keys below a prefix as they are listed, without it."""
        return [info.key.removeprefix(prefix) for info in self.client.list_objects(self.bucket, prefix)]

    def note(self, key: str) -> None:
        """Remember a key that something else wrote."""
        self._keys.append(key)

    def clear(self) -> None:
        """Remove what was written, also what a listing does not show."""
        with suppress(LakehouseError):
            listed = [info.key for info in self.client.list_objects(self.bucket, self.root)]
            # A gateway to a file system keeps the folder of a name that it refused, and calls the bucket not empty for it.
            folders = [f"{self.root}{number}/" for number in range(1, self._places + 1)]
            self.client.delete_objects(self.bucket, dict.fromkeys([*listed, *reversed(self._keys), *folders, self.root]))
        for key in self._keys:
            with suppress(LakehouseError):
                for upload in self.client.list_uploads(self.bucket, key):
                    self.client.abort_upload(self.bucket, upload)
        self.wire.close()


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a server: its name, what is asked, and what the SDK does where the answer is no."""

    name: str
    title: str
    consequence: str
    run: Callable[[Bench], None]


def collect(probes: list[Probe], name: str, title: str, consequence: str) -> Callable[[Callable[[Bench], None]], Probe]:
    """Decorate a function as a probe, and add it to these."""

    def add(run: Callable[[Bench], None]) -> Probe:
        probes.append(Probe(name, title, consequence, run))
        return probes[-1]

    return add


def try_probe(probe: Probe, bench: Bench) -> ProbeResult:
    """Ask it."""
    try:
        probe.run(bench)
    except Gap as gap:
        return ProbeResult(probe.name, probe.title, "differs", str(gap), probe.consequence)
    except LakehouseError as error:
        return ProbeResult(probe.name, probe.title, "refuses", error.message[:200], probe.consequence)
    return ProbeResult(probe.name, probe.title, "conforms")


def expect(found: object, wanted: object, what: str = "") -> None:
    """Raise `Gap` where the two differ."""
    if found != wanted:
        shown, asked = (repr(value)[:90] for value in (found, wanted))
        raise Gap(f"{what}{': ' if what else ''}{shown} instead of {asked}")
