"""`lakehouse up`, `down`, `status`: local servers that stay; `lakehouse servers`: their programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lakehouse_sdk.cli.output import print_json, print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.config import LocalStack, find_stack, load_settings
from lakehouse_sdk.display import format_bytes
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.servers import (
    MinioServer,
    StackFolder,
    StackStatus,
    choose_server,
    ensure_minio,
    find_named_program,
    find_seaweedfs,
    get_stack_status,
    start_stack,
    stop_stack,
)
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.storage.conformance import check_server

group = typer.Typer(no_args_is_help=True, help="The programs behind the local servers.")

PathOption = Annotated[
    Path | None, typer.Option("--path", help="Folder of the servers' data; default: .lakehouse in the current folder.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.add_typer(group, name="servers")


def up(
    path: PathOption = None,
    prefect: Annotated[bool, typer.Option("--prefect/--no-prefect", help="A Prefect server too (about ten seconds).")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start local servers that stay: an S3 server and, if asked for, Prefect; run it again and it says where they are.

    From then on lakehouse_sdk.connect() finds them, in every folder, until `lakehouse down`. The lake's bucket is there.

    Examples:
      1. Servers for notebook work here:
         lakehouse up
      2. With Prefect's dashboard:
         lakehouse up --prefect
      3. The data somewhere else:
         lakehouse up --path /data/lake
    """
    s3 = load_settings().servers.s3
    before = get_stack_status(path or Path(".lakehouse"))
    other = find_stack()
    stack = start_stack(path, prefect=prefect, s3=s3, observer=progress(quiet=as_json))
    _ensure_bucket(stack)
    now = get_stack_status(stack.path)
    if as_json:
        print_json(now.to_dict())
        return
    known = {server.pid for server in before.servers if server.pid is not None}
    for server in now.servers:
        if server.pid is not None:
            print(f"{server.name} {'runs already' if server.pid in known else 'runs'} at {server.url} (process {server.pid})")
    print(
        f"Data is in {stack.path}, the keys in {StackFolder.here(stack.path).s3 / 'credentials.json'} (readable by you only)."
    )
    if stack.prefect_api_url is not None:
        print(f"Prefect's pages and API ask for what is in {StackFolder.here(stack.path).prefect / 'auth-string'}.")
    if other is not None and other.path != stack.path and get_stack_status(other.path).running:
        print(f"Servers also run in {other.path}; end them with `lakehouse down --path {other.path}`.")
    print("next:  lake = lakehouse_sdk.connect() in Python; `lakehouse status`; `lakehouse down` ends them and keeps the data")


def _ensure_bucket(stack: LocalStack) -> None:
    """The lake's bucket is there from the start, so that the first `lakehouse sync` has somewhere to go."""
    settings = load_settings(**stack.to_settings())
    with S3Client(settings.storage) as client:
        client.ensure_bucket(settings.lake.bucket)


def down(path: PathOption = None, as_json: JsonOption = False) -> None:
    """End the servers that `lakehouse up` started, and nothing else; the data stays.

    Without --path: those of .lakehouse in the current folder if it is there, else those that were started last.

    Examples:
      1. The servers started here, or last:
         lakehouse down
      2. Those of another folder:
         lakehouse down --path /data/lake
    """
    folder = get_stack_status(path).path
    ended = stop_stack(path, observer=progress(quiet=as_json))
    if as_json:
        print_json({"path": str(folder), "ended": list(ended)})
    elif ended:
        print(f"Ended {' and '.join(ended)}; the data stays in {folder}.")
    else:
        print(f"Nothing runs in {folder}.")


def status(path: PathOption = None, as_json: JsonOption = False) -> None:
    """Say what runs, where, and how much it holds; exit code 1 where nothing runs or a server is dead.

    Examples:
      1. For a person:
         lakehouse status
      2. For a script:
         lakehouse status --json
    """
    found = get_stack_status(path)
    if as_json:
        print_json(found.to_dict())
    else:
        _print_status(found)
    if not found.running or any(server.state in {"dead", "not answering"} for server in found.servers):
        raise typer.Exit(1)


def _print_status(found: StackStatus) -> None:
    if not found.servers:
        print(f"There are no servers in {found.path}; `lakehouse up` starts them.")
        return
    for server in found.servers:
        place = f"at {server.url}, process {server.pid}, " if server.pid is not None else ""
        print(f"{server.name} {server.state} {place}{format_bytes(server.size_bytes)} in {server.data_dir}")
    owners = {server.owner_pid for server in found.servers if server.owner_pid is not None}
    if owners:
        print(f"They end with process {', '.join(map(str, sorted(owners)))}, which started them.")


@group.callback()
def servers() -> None:
    """The programs behind the local servers."""


@group.command()
def install(
    server: Annotated[str, typer.Argument(help="minio, or seaweedfs.", metavar="SERVER")] = "minio",
) -> None:
    """Make sure that a server's program is there: found on this machine, else, for MinIO, built once.

    The build needs the internet and three to seven minutes. `servers.s3 = "auto"` takes MinIO from then on.

    Examples:
      1. MinIO, for example before going offline:
         lakehouse servers install minio
      2. Where SeaweedFS is:
         lakehouse servers install seaweedfs
    """
    if server == "seaweedfs":
        print(f"SeaweedFS is {find_seaweedfs()}")
    elif server == "minio":
        wanted = load_settings().servers.s3
        named = find_named_program(wanted) if choose_server(wanted) is MinioServer else None
        program = ensure_minio(named, observer=progress())
        print(f"MinIO is {program}")
    else:
        raise UsageError(f"There is no server {server!r}.", hint="Install minio or seaweedfs.")


@group.command()
def check(
    profile: Annotated[str, typer.Argument(help="A profile of the settings. Default: the lake's own server.")] = "",
    bucket: Annotated[str | None, typer.Option(help="Where to work. Default: a bucket that is made and removed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Try what an S3 server does of what S3 does, and say what the SDK will do about each gap.

    About a hundred requests and 20 MiB below a prefix of its own; everything it writes is removed.

    Exit code 0: it can be used, whatever its gaps. 1: it cannot be reached, or bytes do not come back.

    Examples:
      1. The lake's own server:
         lakehouse servers check
      2. A profile, where no bucket may be made:
         lakehouse servers check backup --bucket my-bucket
    """
    report = check_server(load_settings().profile(profile), bucket)
    if as_json:
        print_json(report.to_dict())
    else:
        print_table(["probe", "outcome", "what was found", "what the SDK does"], report.rows())
        print(report.summary)
    if not report.holds("round-trip"):
        raise typer.Exit(1)
