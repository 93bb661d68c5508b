"""A real Prefect server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

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


def ask(server: PrefectServer, path: str, *, signed: bool = True, method: str = "GET", **headers: str) -> tuple[int, object]:
    """Status and JSON body of an answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if signed:
        sent["Authorization"] = f"Basic {base64.b64encode(server.auth_string.encode()).decode()}"
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(f"{server.url}{path}", body, {"Content-Type": "application/json", **sent}, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, error.read()


def csrf(server: PrefectServer) -> dict[str, str]:
    _, told = ask(server, "/api/csrf-token?client=test")
    assert isinstance(told, dict)
    return {"Prefect_Csrf_Token": told["token"], "Prefect_Csrf_Client": "test"}


def test_it_answers_and_told_how_the_start_went(started: tuple[PrefectServer, Path, list[Event]]) -> None:
    server, _, seen = started
    assert ask(server, "/api/health", signed=False) == (200, True)
    assert any(isinstance(event, StageProgress) and "waiting" in event.note for event in seen)


def test_nothing_is_sent_and_nothing_rests_outside_its_folder(started: tuple[PrefectServer, Path, list[Event]]) -> None:
    server, home, _ = started
    _, settings = ask(server, "/api/admin/settings")
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
    _, runs = ask(server, "/api/flow_runs/filter", method="POST", **csrf(server))
    assert isinstance(runs, list)
    assert [run["state_type"] for run in runs] == ["COMPLETED"]


class TestStrangers:
    """Another user of this machine, and a page in the user's own browser."""

    def test_without_the_auth_string_nothing_is_read_or_written(self, started: tuple[PrefectServer, Path, list[Event]]) -> None:
        server = started[0]
        assert ask(server, "/api/admin/settings", signed=False)[0] == 401
        assert ask(server, "/api/flow_runs/filter", signed=False, method="POST")[0] in {401, 403}
        file = server.data_dir / "auth-string"  # type: ignore[operator]
        assert file.stat().st_mode & 0o777 == 0o600
        assert server.auth_string not in repr(server)
        assert len(server.auth_string.partition(":")[2]) >= 32

    def test_it_stands_in_no_argument_of_a_process(self, started: tuple[PrefectServer, Path, list[Event]]) -> None:
        process = psutil.Process(started[0].pid)
        arguments = [part for each in (process, *process.children(recursive=True)) for part in each.cmdline()]
        assert not [part for part in arguments if started[0].auth_string.partition(":")[2] in part]

    def test_a_write_wants_the_token_against_forged_requests(self, started: tuple[PrefectServer, Path, list[Event]]) -> None:
        assert ask(started[0], "/api/flow_runs/filter", method="POST")[0] == 403

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:4200"}])
    def test_another_name_of_this_machine_is_refused(
        self, started: tuple[PrefectServer, Path, list[Event]], headers: dict[str, str], method: str
    ) -> None:
        """A name that somebody pointed at 127.0.0.1 makes their page the browser's own origin."""
        server = started[0]
        assert ask(server, "/api/flow_runs/filter", method=method, **csrf(server), **headers)[0] == 400

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
    def test_another_page_is_refused_and_told_nothing(
        self, started: tuple[PrefectServer, Path, list[Event]], origin: str
    ) -> None:
        server = started[0]
        assert ask(server, "/api/flow_runs/filter", method="POST", Origin=origin, **csrf(server))[0] == 403
        assert ask(server, "/api/admin/settings", Origin=origin)[0] == 403
        assert ask(server, "/api/admin/settings", Origin=server.url)[0] == 200

    def test_its_pages_know_where_its_api_is(self, started: tuple[PrefectServer, Path, list[Event]]) -> None:
        _, told = ask(started[0], "/ui-settings", signed=False)
        assert isinstance(told, dict)
        assert (told["api_url"], told["auth"], told["csrf_enabled"]) == (started[0].api_url, "BASIC", True)


def test_no_parameter_of_a_flow_says_which_settings_count() -> None:
    """Whoever may start a run could have it send the lake's keys to a server of theirs."""
    program = "from lakehouse_sdk.flows import collect_and_build\nprint(*collect_and_build.parameters.properties)"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    said = subprocess.run([sys.executable, "-c", program], env=clean, capture_output=True, text=True, check=True, timeout=120)
    names = set(said.stdout.split())
    assert "source" in names
    assert not [name for name in names if "config" in name or "setting" in name or "profile" in name]
