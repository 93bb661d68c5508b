"""The `lakehouse` command as a person meets it: exit codes, sentences instead of tracebacks, no secret anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse_sdk.servers import MinioServer, ensure_minio
from lakehouse_sdk.storage import S3Client

SECRET = "a-very-secret-key-of-the-test"


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `lakehouse` as installed, in an empty folder with an empty home."""
    clean = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [str(Path(sys.executable).with_name("lakehouse")), *arguments],
        cwd=cwd,
        env={**clean, "HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / "cache"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment_of(server: MinioServer) -> dict[str, str]:
    """Settings that lead to `server`."""
    access_key, secret_key = server.profile.credentials()
    return {
        "LAKEHOUSE_STORAGE__ENDPOINT_URL": server.endpoint_url,
        "LAKEHOUSE_STORAGE__ACCESS_KEY": access_key,
        "LAKEHOUSE_STORAGE__SECRET_KEY": secret_key,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("plan",),
        ("sync",),
        ("cp",),
        ("verify",),
        ("ls",),
        ("du",),
        ("rm",),
        ("up",),
        ("down",),
        ("status",),
        ("config", "show"),
        ("archives", "discover"),
        ("archives", "collect"),
        ("tables", "list"),
        ("tables", "head"),
        ("tables", "search"),
        ("tables", "describe"),
        ("tables", "query"),
        ("tables", "history"),
        ("tables", "restore"),
        ("tables", "bars"),
        ("tables", "cross-check"),
        ("validate",),
        ("demo",),
    ],
)
def test_every_command_explains_itself(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """`--help` works everywhere and, below the groups, shows an example."""
    done = run(*arguments, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    if arguments:
        assert "Example" in done.stdout


def test_an_unknown_command_is_a_use_error(tmp_path: Path) -> None:
    """Exit code 2 and the name of what is unknown."""
    done = run("snyc", "a", "b", cwd=tmp_path)
    assert done.returncode == 2
    assert "snyc" in done.stderr


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("ftp://host/x", "s3://bucket/y", "ftp"),
        ("s3://x", "s3://bucket/y", "bucket"),
        ("lakehouse://nobody@bucket/x", "s3://bucket/y", "nobody"),
    ],
)
def test_a_wrong_address_is_named(source: str, target: str, said: str, tmp_path: Path, minio: MinioServer) -> None:
    """Exit code 2, one sentence with the address, no traceback."""
    done = run("sync", source, target, cwd=tmp_path, **environment_of(minio))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_endpoint_says_what_to_do(tmp_path: Path) -> None:
    """Nobody listens: exit code 1, the endpoint and the next step; the secret is nowhere."""
    settings = {
        "LAKEHOUSE_STORAGE__ENDPOINT_URL": "http://127.0.0.1:9",
        "LAKEHOUSE_STORAGE__ACCESS_KEY": "key",
        "LAKEHOUSE_STORAGE__SECRET_KEY": SECRET,
    }
    done = run("sync", "s3://first/a", "s3://second/b", cwd=tmp_path, **settings)
    assert done.returncode == 1
    assert "http://127.0.0.1:9" in done.stderr
    assert "next:" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_wrong_key_is_told_from_a_wrong_endpoint(tmp_path: Path, minio: MinioServer) -> None:
    """The server answers and refuses: exit code 1, the credentials are named, the secret is not shown."""
    settings = {**environment_of(minio), "LAKEHOUSE_STORAGE__SECRET_KEY": SECRET}
    done = run("sync", "s3://first/a", "s3://second/b", cwd=tmp_path, **settings)
    assert done.returncode == 1
    assert "credentials" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_missing_bucket_is_named(tmp_path: Path, minio: MinioServer) -> None:
    """Exit code 1 and the bucket's name."""
    done = run("sync", "s3://there-is-no-such/a", "s3://second/b", cwd=tmp_path, **environment_of(minio))
    assert done.returncode == 1
    assert "there-is-no-such" in done.stderr


def test_settings_that_are_missing_or_broken(tmp_path: Path) -> None:
    """No credentials, an unreadable file, a misspelt variable: exit code 2 and the place."""
    done = run("sync", "s3://first/a", "s3://second/b", cwd=tmp_path)
    assert done.returncode == 2
    assert "access_key" in done.stderr
    (tmp_path / "lakehouse.toml").write_text("[storage\n")
    done = run("config", "show", cwd=tmp_path)
    assert done.returncode == 2
    assert str(tmp_path / "lakehouse.toml") in done.stderr
    (tmp_path / "lakehouse.toml").unlink()
    done = run("config", "show", cwd=tmp_path, LAKEHOUSE_STORAGE__ENDPONT_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "endpont_url" in done.stderr.lower()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    """Only `--debug` does."""
    done = run("--debug", "sync", "s3://first/a", "s3://second/b", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_config_show_tells_origins_and_masks_secrets(tmp_path: Path) -> None:
    """Each value with its place; the secret key only as stars."""
    (tmp_path / "lakehouse.toml").write_text('[lake]\nbucket = "from-the-file"\n')
    done = run("config", "show", "--origin", "--json", cwd=tmp_path, LAKEHOUSE_STORAGE__SECRET_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    shown = {item["name"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert shown["lake.bucket"] == {"name": "lake.bucket", "value": "from-the-file", "origin": str(tmp_path / "lakehouse.toml")}
    assert shown["storage.secret_key"]["origin"] == "environment"
    assert shown["transfer.max_concurrent"]["origin"] == "default"
    assert SECRET not in done.stdout + done.stderr


def test_sync_plans_then_copies_then_has_nothing_to_do(tmp_path: Path, minio: MinioServer, s3: S3Client, bucket: str) -> None:
    """`plan` moves nothing; `sync` copies; the second `sync` copies nothing. Counted by another client of the server."""
    folder = tmp_path / "tree" / "deep"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"file {number}.txt").write_text(f"content {number}")
    ends = (str(tmp_path / "tree"), f"s3://{bucket}/copy")
    planned = run("plan", *ends, "--json", cwd=tmp_path, **environment_of(minio))
    assert planned.returncode == 0, planned.stderr
    rows = [json.loads(line) for line in planned.stdout.splitlines()]
    assert [row["action"] for row in rows[:-1]] == ["copy"] * 5
    assert list(s3.list_objects(bucket)) == []
    done = run("sync", *ends, "--json", cwd=tmp_path, **environment_of(minio))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["objects"]["done"] == 5
    assert [info.key for info in s3.list_objects(bucket)] == [f"copy/deep/file {number}.txt" for number in range(5)]
    again = run("sync", *ends, "--json", cwd=tmp_path, **environment_of(minio))
    assert json.loads(again.stdout.splitlines()[-1])["objects"]["done"] == 0


def test_servers_that_just_came_up_have_the_lakes_bucket(tmp_path: Path) -> None:
    """`lakehouse up`, and the first copy has somewhere to go."""
    settings = {"LAKEHOUSE_SERVERS__S3": str(ensure_minio(None)), "LAKEHOUSE_LAKE__BUCKET": "my-lake"}
    (tmp_path / "bars.csv").write_text("1,2\n")
    try:
        assert run("up", cwd=tmp_path, **settings).returncode == 0
        copied = run("cp", "bars.csv", "s3://my-lake/data/", cwd=tmp_path, **settings)
        assert copied.returncode == 0, copied.stderr
        assert run("ls", "s3://my-lake/data", cwd=tmp_path, **settings).stdout == "bars.csv\n"
    finally:
        assert run("down", cwd=tmp_path, **settings).returncode == 0
