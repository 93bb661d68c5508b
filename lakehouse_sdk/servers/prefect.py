"""An embedded Prefect server."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from lakehouse_sdk.extras import check_extra
from lakehouse_sdk.servers.ports import LOOPBACK
from lakehouse_sdk.servers.process import ServerProcess, needed_environment
from lakehouse_sdk.servers.record import write_private

_AUTH_FILE = "auth-string"


class PrefectServer(ServerProcess):
    """A Prefect server on SQLite, for one machine.

    Its folder holds `home/` (PREFECT_HOME), `prefect.db`, `ui/`, `prefect.log`, `auth-string` (0600, generated at the first
    start and kept) and `server.json` (which process serves it). Nothing is written into the user's home, no profile of the
    user counts, no usage data is sent. The start takes ten seconds.

    Its API and its pages want the auth string; requests that are addressed to another name, or come from another page, are
    refused. It runs in a process of its own (`prefect_app`); nothing else here imports Prefect.
    """

    name = "Prefect"
    health_path = "/api/health"
    start_timeout_s = 300.0

    @property
    def api_url(self) -> str:
        """Address of its API; raises `UsageError` before the start."""
        return f"{self.url}/api"

    @property
    def auth_string(self) -> str:
        """`user:password` for its API and its pages; empty before the first start."""
        return find_auth_string(self._folder)

    def client_env(self) -> dict[str, str]:
        """Environment for a process whose flows report to this server; raises `UsageError` before the start."""
        api_url = self.api_url
        direct = ",".join(part for part in (os.environ.get("NO_PROXY") or os.environ.get("no_proxy", ""), LOOPBACK) if part)
        secret = {"PREFECT_API_AUTH_STRING": self.auth_string}
        return {**_quiet(self._folder), **secret, "PREFECT_API_URL": api_url, "NO_PROXY": direct, "no_proxy": direct}

    def _prepare(self) -> None:
        check_extra("flows")
        (self._folder / "home").mkdir(exist_ok=True)
        if not find_auth_string(self._folder):
            write_private(self._folder / _AUTH_FILE, f"lakehouse:{secrets.token_urlsafe(24)}")

    def _command(self, port: int) -> list[str]:
        app = ["--factory", "lakehouse_sdk.servers.prefect_app:make_app", "--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", *app, "--host", LOOPBACK, "--port", str(port)]

    def _environment(self, port: int) -> Mapping[str, str]:
        folder, url = self._folder, f"http://{LOOPBACK}:{port}"
        # HOME: packages that were installed for one user are found from it.
        python = {name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("PYTHON")}
        return {
            **needed_environment(),
            **python,
            **_quiet(folder),
            "PREFECT_SERVER_API_AUTH_STRING": self.auth_string,
            "PREFECT_API_AUTH_STRING": self.auth_string,  # for the services that it runs beside its API
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": url,
            "PREFECT_SERVER_UI_API_URL": f"{url}/api",
            "PREFECT__SERVER_FINAL": "1",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(folder / "ui"),  # default: inside the installed package
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        }


def find_auth_string(folder: Path) -> str:
    """The auth string of the server in `folder`; empty where none was made."""
    try:
        return (folder / _AUTH_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _quiet(folder: Path) -> dict[str, str]:
    """A home of its own, and nothing sent to anybody."""
    return {"PREFECT_HOME": str(folder / "home"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
