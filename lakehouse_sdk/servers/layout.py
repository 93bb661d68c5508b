"""The folder of one local lakehouse: which server rests where."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.config import LocalStack, find_stack
from lakehouse_sdk.errors import ConfigurationError, UsageError
from lakehouse_sdk.events import Observer
from lakehouse_sdk.servers.folders import explained
from lakehouse_sdk.servers.minio import MinioServer, find_credentials
from lakehouse_sdk.servers.prefect import PrefectServer
from lakehouse_sdk.servers.process import ServerProcess
from lakehouse_sdk.servers.record import find_record

FOLDER_NAME = ".lakehouse"
"""Folder of a lakehouse below the current one, unless another is named."""


@dataclass(frozen=True, slots=True)
class StackFolder:
    """Where a local lakehouse keeps its servers' data: `minio/`, `prefect/` and `catalog.db`.

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
        return self.path / "minio"

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

    def servers(
        self, *, prefect: bool, minio_path: Path | None, observer: Observer, temporary: bool = False
    ) -> list[ServerProcess]:
        """Its servers in the order of their start, not started; a `temporary` folder goes with the first of them."""
        minio = MinioServer(self.minio, program=minio_path, observer=observer, remove=self.path if temporary else None)
        if not prefect:
            return [minio]
        return [minio, PrefectServer(self.prefect, observer=observer, remove=self.prefect if temporary else None)]

    def describe(self) -> LocalStack:
        """How its running servers are reached.

        Raises:
            UsageError: No MinIO runs on it.
        """
        minio, prefect, keys = find_record(self.minio), find_record(self.prefect), find_credentials(self.minio)
        if minio is None or not minio.running or keys is None:
            raise UsageError(f"No MinIO runs in {self.path}.", hint="Start it: `lakehouse up`.")
        return LocalStack(
            path=self.path,
            endpoint_url=minio.url,
            access_key=keys[0],
            secret_key=keys[1],
            catalog_uri=f"sqlite:///{self.path / 'catalog.db'}",
            prefect_api_url=f"{prefect.url}/api" if prefect is not None and prefect.running else None,
        )
