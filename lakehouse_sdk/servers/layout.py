"""The folder of one local lakehouse: which server rests where."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.config import LocalStack, find_stack
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.events import Observer
from lakehouse_sdk.servers.choice import MINIO, SEAWEEDFS, choose_server, make_server
from lakehouse_sdk.servers.folders import explained
from lakehouse_sdk.servers.prefect import PrefectServer, find_auth_string
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.record import find_record
from lakehouse_sdk.servers.s3 import find_credentials

FOLDER_NAME = ".lakehouse"
"""Folder of a lakehouse below the current one, unless another is named."""


@dataclass(frozen=True, slots=True)
class StackFolder:
    """Where a local lakehouse keeps its servers' data: `minio/` or `seaweedfs/`, `prefect/` and `catalog.db`.

    Attributes:
        path: Absolute.
    """

    path: Path

    @classmethod
    def here(cls, path: Path | None) -> StackFolder:
        """The folder `path`; None for `.lakehouse` in the current folder.

        Raises:
            UsageError: No database address can name it.
        """
        folder = (path or Path(FOLDER_NAME)).expanduser().absolute()
        if "?" in str(folder):  # where the query of such an address begins; nothing escapes it
            raise UsageError(f"The folder {folder} cannot hold a lakehouse: its name has a '?'.", hint="Choose another folder.")
        return cls(folder)

    @classmethod
    def meant_by(cls, path: Path | None) -> StackFolder:
        """The folder `path`; None for `.lakehouse` in the current folder where it is there, else the one started last."""
        folder = cls.here(path)
        if path is None and not folder.path.is_dir():
            with contextlib.suppress(ConfigurationError):  # an unreadable note leads nowhere
                stack = find_stack()
                return cls(stack.path) if stack is not None else folder
        return folder

    @property
    def minio(self) -> Path:
        """MinIO's data folder."""
        return self.path / MINIO

    @property
    def seaweedfs(self) -> Path:
        """SeaweedFS's data folder."""
        return self.path / SEAWEEDFS

    @property
    def s3(self) -> Path:
        """The data folder of the S3 server that runs, else of the one that has been here."""
        folders = (self.minio, self.seaweedfs)
        running = [folder for folder in folders if (record := find_record(folder)) is not None and record.running]
        used = [folder for folder in folders if find_credentials(folder) is not None]
        return next(iter([*running, *used]), self.minio)

    @property
    def prefect(self) -> Path:
        """The Prefect server's data folder."""
        return self.path / "prefect"

    def make(self) -> None:
        """Make the folder, readable by its owner only and out of sight of git."""
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="ascii")

    def servers(self, *, prefect: bool, s3: str, observer: Observer, temporary: bool = False) -> list[ServerProcess]:
        """Its servers in the order of their start, not started; a `temporary` folder goes with the first of them.

        With `s3="auto"` a folder that holds data already is served by the server that wrote it.
        """
        if s3 == "auto" and find_credentials(self.s3) is not None:
            s3 = self.s3.name
        data_dir = self.path / choose_server(s3).name.lower()
        server = make_server(s3, data_dir, observer=observer, remove=self.path if temporary else None)
        if not prefect:
            return [server]
        return [server, PrefectServer(self.prefect, observer=observer, remove=self.prefect if temporary else None)]

    def describe(self) -> LocalStack:
        """How its running servers are reached.

        Raises:
            UsageError: No S3 server runs on it.
        """
        server, prefect, keys = find_record(self.s3), find_record(self.prefect), find_credentials(self.s3)
        if server is None or not server.running or keys is None:
            raise UsageError(f"No S3 server runs in {self.path}.", hint="Start it: `lakehouse up`.")
        return LocalStack(
            path=self.path,
            endpoint_url=server.url,
            access_key=keys[0],
            secret_key=keys[1],
            catalog_uri=f"sqlite:///{self.path / 'catalog.db'}",
            prefect_api_url=f"{prefect.url}/api" if prefect is not None and prefect.running else None,
            prefect_auth_string=find_auth_string(self.prefect) if prefect is not None and prefect.running else "",
        )
