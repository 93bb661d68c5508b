"""No clear secret leaves its holder but to the client that signs: not by a log, a traceback with locals, a repr or `vars`."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import lakehouse_sdk
from lakehouse_sdk.config import S3Profile, Settings, explain_settings, load_settings, mask_password, storage_options
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables.iceberg.connecting import connect_catalog
from tests.support.stand_in import StandIn

SECRET, TOKEN, CUSTOMER = "hush-hush-secret-key", "hush+token/with==signs", "aHVzaC1odXNoLTMyLWJ5dGVzLWN1c3RvbWVyLWtleSE="
SECRETS = (SECRET, TOKEN, CUSTOMER, "hush-proxy", "hush-bearer", "hush%2Btoken")


def make_settings(endpoint_url: str, **more: Any) -> Settings:
    storage = {"endpoint_url": endpoint_url, "access_key": "visible", "secret_key": SECRET, "session_token": TOKEN, **more}
    return load_settings(storage=storage, catalog={"uri": "http://127.0.0.1:1", "token": "hush-bearer"})


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that any logger said, at every level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    with caplog.at_level(logging.DEBUG):
        yield lambda: stream.getvalue() + caplog.text
    root.removeHandler(handler)
    root.setLevel(before)


def connect(settings: Settings) -> lakehouse_sdk.Lakehouse:
    return lakehouse_sdk.connect(storage=settings.storage, catalog=settings.catalog)


def find_secrets(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def show_locals(error: BaseException) -> str:
    """A traceback as rich, IPython and pytest show it where they are asked to: with the repr of each local."""
    shown = []
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                shown += [f"{name} = {value!r}" for name, value in frame.f_locals.items() if not callable(value)]
        shown.append("".join(traceback.format_exception_only(error)))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "\n".join(shown)


def test_a_debug_log_shows_no_secret(everything: Callable[[], str]) -> None:
    with StandIn() as server:
        settings = make_settings(server.url)
        fs = LakehouseFileSystem(settings, skip_instance_cache=True)
        assert fs.cat_file("bucket/key.csv")
        fs.ls("bucket")
        fs.sign("bucket/key.csv")
        with S3Client(settings.storage) as client:
            client.get_bytes("bucket", "key.csv")
        import s3fs

        s3fs.S3FileSystem(**storage_options(settings, "s3fs"), skip_instance_cache=True).cat_file("bucket/key.csv")
    said = everything()
    assert "botocore" in said or "GET" in said  # it was listened to
    assert len(said) > 10_000
    assert find_secrets(said) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda settings: S3Client(settings.storage).get_bytes("bucket", "key"),
        lambda settings: S3Client(settings.storage).put_bytes("bucket", "key", b"x" * 100_000),
        lambda settings: LakehouseFileSystem(settings, skip_instance_cache=True).cat_file("bucket/key"),
        lambda settings: LakehouseFileSystem(settings, skip_instance_cache=True).ls("bucket"),
        lambda settings: connect_catalog(settings, "s3://bucket/warehouse"),
        lambda settings: connect(settings).table("silver.klines"),
        lambda settings: connect(settings).fs.put(__file__, "bucket/key"),
    ],
    ids=["get", "put", "cat", "ls", "catalogue", "tables", "fs.put"],
)
@pytest.mark.parametrize("server", ["nobody", "cuts off"])
def test_a_traceback_with_locals_shows_no_secret(use: Callable[[Settings], object], server: str) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def cut() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(100)
                connection.close()

        if server == "cuts off":
            threading.Thread(target=cut, daemon=True).start()
        else:
            listener.close()
        settings = make_settings(f"http://127.0.0.1:{port}")
        with pytest.raises(Exception) as told:  # noqa: PT011 (each client's own)
            use(settings)
        listener.close()
    shown = show_locals(told.value)
    assert len(shown) > 100
    assert find_secrets(shown) == []


def test_what_holds_a_secret_shows_it_nowhere() -> None:
    settings = make_settings(
        "https://127.0.0.1:1", encryption="SSE-C", customer_key=CUSTOMER, proxy="http://someone:hush-proxy@127.0.0.1:1"
    )
    fs = LakehouseFileSystem(settings, skip_instance_cache=True)
    lake = connect(settings)
    shown: list[object] = [
        settings,
        settings.storage,
        settings.model_dump(),
        settings.model_dump_json(),
        explain_settings(storage=settings.storage),
        vars(fs),
        fs,
        fs.storage_options,
        lake,
        vars(lake),
        vars(lake.fs),
        S3Client(settings.storage),
        vars(S3Client(settings.storage)),
        settings.storage.to_fsspec(),
        settings.storage.to_s5cmd_env(),
        settings.storage.to_pyiceberg(),
        settings.storage.credentials(),
        settings.storage.to_json(),
    ]
    shown += [storage_options(settings, client) for client in ("fsspec", "pandas", "s3fs", "pyiceberg", "dask")]
    text = "\n".join(repr(item) for item in shown)
    assert "127.0.0.1" in text
    assert find_secrets(text) == []


@pytest.mark.parametrize("secret", ["pa/ss", "pa?ss", "pa#ss", "pa@ss", "pa:ss", "pa%ss", "a/b?c#d@e:f"])
@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://me:{}@host:5432/db", "http://me:{}@proxy:8080", "mysql://me:{}@h/d?x=1"]
)
def test_a_password_in_an_address_is_masked_whatever_is_in_it(address: str, secret: str) -> None:
    shown = mask_password(f"cannot open {address.format(secret)} today")
    assert secret not in shown
    assert "host" in shown or "proxy" in shown or "@h" in shown


def test_s5cmd_is_told_by_its_environment_alone(tmp_path: Any) -> None:
    """What stands in an argument every user of the machine can read."""
    import psutil

    from lakehouse_sdk.transfer.runners.s5cmd import find_s5cmd
    from lakehouse_sdk.transfer.runners.s5cmd.process import S5cmdProcess

    program = find_s5cmd()
    assert program is not None
    profile = make_settings("http://127.0.0.1:1", proxy="http://someone:hush-proxy@127.0.0.1:1").storage
    process = S5cmdProcess(program, profile, workers=1, retries=0)
    arguments = " ".join(psutil.Process(process.pid).cmdline())
    process.kill()
    assert "s5cmd" in arguments
    assert find_secrets(arguments) == []


def test_a_notebook_s_error_shows_no_secret() -> None:
    """The command line and a bare traceback, as they come to a terminal."""
    program = (
        "import lakehouse_sdk, sys\n"
        f"lake = lakehouse_sdk.connect(storage={json.dumps({'endpoint_url': 'http://127.0.0.1:1', 'access_key': 'a'})!s}"
        f" | {{'secret_key': {SECRET!r}, 'session_token': {TOKEN!r}}})\n"
        "print(lake, vars(lake))\n"
        "lake.fs.cat_file('bucket/key')\n"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No S3 server answers" in done.stderr
    assert find_secrets(done.stdout + done.stderr.replace(program, "")) == []


def test_the_profile_travels_with_its_secrets_only_where_it_has_to() -> None:
    profile = make_settings("http://127.0.0.1:1").storage
    again = S3Profile.model_validate_json(str(profile.to_json()))
    assert again == profile
    assert SECRET not in json.dumps(profile.model_dump(mode="json"))
