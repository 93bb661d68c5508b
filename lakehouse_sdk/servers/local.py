"""The servers of a lakehouse that lives as long as this process."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from lakehouse_sdk.config import LocalStack
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.servers.layout import StackFolder
from lakehouse_sdk.servers.process import ServerProcess


class LocalServers:
    """An S3 server, an SQLite catalogue and, if wanted, Prefect, for this process only; a context manager.

    Guarantee: they end at `stop`, at the interpreter's exit, or within seconds of a kill -9 of this process, whichever is
    first. `connect()` elsewhere does not find them.

    Args:
        path: Folder that keeps the data, laid out as by `lakehouse up`; None for a temporary one that is removed at the end.
        prefect: True for a Prefect server too.
        s3: The setting `servers.s3`.
        observer: Told how build and start go.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        prefect: bool = False,
        s3: str = "auto",
        observer: Observer = ignore_events,
    ) -> None:
        self._path = path
        self._prefect = prefect
        self._s3 = s3
        self._observer = observer
        self._maker_pid = os.getpid()
        self._temporary: Path | None = None
        self._servers: list[ServerProcess] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def names(self) -> tuple[str, ...]:
        """What runs, `MinIO` or `SeaweedFS` first."""
        return tuple(server.name for server in self._servers)

    @property
    def running(self) -> bool:
        """True while all of its servers live."""
        return bool(self._servers) and all(server.running for server in self._servers)

    def start(self) -> LocalStack:
        """Start the servers, those that run already stay; returns how they are reached.

        Raises:
            ConflictError: Servers run on that folder already, by `lakehouse up` or another process.
            LakehouseError: As `ServerProcess.start` and `choose_server`; nothing is left running then.
        """
        if not self._servers:
            self._servers = self._lay_out()
            atexit.register(self.stop)
        try:
            for server in self._servers:
                server.start()
            return self._folder.describe()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the servers and remove their folder if that is temporary; returns when they are gone. Idempotent."""
        if os.getpid() != self._maker_pid:  # a fork: they belong to the original
            return
        atexit.unregister(self.stop)
        servers, self._servers = self._servers, []
        for server in reversed(servers):
            server.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _lay_out(self) -> list[ServerProcess]:
        if self._path is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="lakehouse-"))
        self._folder = StackFolder.here(self._path or self._temporary)
        self._folder.make()
        return self._folder.servers(
            prefect=self._prefect,
            s3=self._s3,
            observer=self._observer,
            temporary=self._temporary is not None,
        )
