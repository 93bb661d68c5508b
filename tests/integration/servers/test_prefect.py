"""A real Prefect server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lakehouse_sdk.events import Event, StageProgress
from lakehouse_sdk.servers import PrefectServer


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrefectServer, Path, list[Event]]]:
    """A server, the home folder that it was started with, and what was told about the start."""
    home = tmp_path_factory.mktemp("home")
    seen: list[Event] = []
    server = PrefectServer(tmp_path_factory.mktemp("prefect"), observer=seen.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
        patch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:////somewhere/else.db")
        server.start()
    with server:
        yield server, home, seen


def read_json(url: str) -> object:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def test_it_answers_and_told_how_the_start_went(started: tuple[PrefectServer, Path, list[Event]]) -> None:
    server, _, seen = started
    assert read_json(f"{server.api_url}/health") is True
    assert any(isinstance(event, StageProgress) and "waiting" in event.note for event in seen)


def test_nothing_is_sent_and_nothing_rests_outside_its_folder(started: tuple[PrefectServer, Path, list[Event]]) -> None:
    server, home, _ = started
    settings = read_json(f"{server.api_url}/admin/settings")
    assert isinstance(settings, dict)
    assert settings["server"]["analytics_enabled"] is False
    assert settings["home"] == str(server.data_dir / "home")  # type: ignore[operator]
    assert (server.data_dir / "prefect.db").exists()  # type: ignore[operator]
    assert list(home.iterdir()) == []


def test_it_listens_on_this_machine_only(started: tuple[PrefectServer, Path, list[Event]]) -> None:
    listening = [item for item in psutil.Process(started[0].pid).net_connections("tcp") if item.status == psutil.CONN_LISTEN]
    assert {item.laddr.ip for item in listening} == {"127.0.0.1"}


def test_flows_of_another_process_report_to_it_even_behind_a_proxy(
    started: tuple[PrefectServer, Path, list[Event]], tmp_path: Path
) -> None:
    server = started[0]
    flow = tmp_path / "one.py"
    flow.write_text("from prefect import flow\n\n\n@flow\ndef hello():\n    return 1\n\n\nhello()\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, str(flow)], env={**clean, **proxies, **server.client_env()}, check=True, timeout=120)
    request = urllib.request.Request(
        f"{server.api_url}/flow_runs/filter", b"{}", {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        states = [run["state_type"] for run in json.load(answer)]
    assert states == ["COMPLETED"]
