"""An embedded Prefect server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from lakehouse_sdk.extras import check_extra
from lakehouse_sdk.servers.ports import LOOPBACK
from lakehouse_sdk.servers.process import ServerProcess, needed_environment


class PrefectServer(ServerProcess):
    """A Prefect server on SQLite, for one machine.

    Its folder holds `home/` (PREFECT_HOME), `prefect.db`, `ui/`, `prefect.log` and `server.json` (which process serves it).
    Nothing is written into the user's home, no profile of the user counts, no usage data is sent. The start takes ten seconds.

    It is run as `python -m prefect server start`; this package does not import Prefect.
    """

    name = "Prefect"
    health_path = "/api/health"
    start_timeout_s = 300.0

    @property
    def api_url(self) -> str:
        """Address of its API; raises `UsageError` before the start."""
        return f"{self.url}/api"

    def client_env(self) -> dict[str, str]:
        """Environment for a process whose flows report to this server; raises `UsageError` before the start."""
        api_url = self.api_url
        direct = ",".join(part for part in (os.environ.get("NO_PROXY") or os.environ.get("no_proxy", ""), LOOPBACK) if part)
        return {**_quiet(self._folder), "PREFECT_API_URL": api_url, "NO_PROXY": direct, "no_proxy": direct}

    def _prepare(self) -> None:
        check_extra("flows")
        (self._folder / "home").mkdir(exist_ok=True)

    def _command(self, port: int) -> list[str]:
        return [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK, "--port", str(port)]

    def _environment(self) -> Mapping[str, str]:
        folder = self._folder
        # HOME: packages that were installed for one user are found from it.
        python = {name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("PYTHON")}
        return {
            **needed_environment(),
            **python,
            **_quiet(folder),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),  # default: inside the installed package
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        }


def _quiet(folder: Path) -> dict[str, str]:
    """A home of its own, and nothing sent to anybody."""
    return {"PREFECT_HOME": str(folder / "home"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
