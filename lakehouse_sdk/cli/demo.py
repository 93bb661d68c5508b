"""`lakehouse demo`: the main job once, end to end, on servers that it starts and stops itself.

Where each step lives: servers → `servers`; the stand-in for the exchange → `testing`; discover … commit → `flows` over `jobs`;
reading back → `tables`; the report → `acceptance` with `validation/acceptance.ipynb`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_sdk.cli.output import print_table
from lakehouse_sdk.cli.progress import progress
from lakehouse_sdk.config import load_settings
from lakehouse_sdk.display import format_bytes, format_count, format_duration
from lakehouse_sdk.events import ignore_events
from lakehouse_sdk.servers import PrefectServer, S3Server, choose_server, make_server
from lakehouse_sdk.transfer import Status

if TYPE_CHECKING:
    from lakehouse_sdk.acceptance import ValidationReport
    from lakehouse_sdk.flows import RunReport
    from lakehouse_sdk.lakehouse import Lakehouse
    from lakehouse_sdk.testing import MirrorTruth

_SHOWN_COLUMNS = {
    "silver.klines": ["open_time", "symbol", "interval", "open", "close", "volume"],
    "silver.agg_trades": ["transact_time", "symbol", "agg_trade_id", "price", "quantity", "side"],
}
_BUCKET, _REPLICA, _MIRROR = "lakehouse", "lakehouse-replica", "data.binance.vision"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo(
    output: Annotated[Path | None, typer.Option(help="Folder of the reports.", show_default="validation/reports")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder for a look at what was stored.")] = False,
    server: Annotated[
        str | None, typer.Option(help="minio (built once where it is missing), seaweedfs, auto.", show_default="servers.s3")
    ] = None,
) -> None:
    """Run the whole of it once, on this machine: archives → S3 server → Iceberg tables → a report that proves it.

    A second server plays the exchange's public bucket, filled with generated market data and a few of the defects that real
    archives have. Settings of yours are not read and nothing of yours is written to, but the report's folder.

    Examples:
      1. Everything, report in validation/reports:
         lakehouse demo
      2. Keep what was stored:
         lakehouse demo --keep
      3. On MinIO, which is built once where it is missing:
         lakehouse demo --server minio
    """
    _forget_own_settings()
    folder = Path(".lakehouse") / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        passed = _run(folder.absolute(), output, server or load_settings().servers.s3)
    finally:
        if keep:
            print(f"The data stays in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if not passed:
        raise typer.Exit(1)


def _forget_own_settings() -> None:
    """The demo must not write into a lakehouse that the caller's environment happens to name."""
    for name in list(os.environ):
        if name.startswith(("LAKEHOUSE_", "PREFECT_")) and not name.startswith("LAKEHOUSE_SERVERS__"):
            del os.environ[name]


class Steps:
    """Announces each step and keeps its wall time."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[None]:
        """Time the block as step `name`."""
        print(f"\n── {len(self.times) + 1}. {title}", flush=True)
        started = time.perf_counter()
        yield
        self.times[name] = time.perf_counter() - started
        print(f"   {name}: {format_duration(self.times[name])}", flush=True)

    def print_summary(self) -> None:
        """Print all times and their sum."""
        rows = [[name, format_duration(seconds)] for name, seconds in self.times.items()]
        print_table(["step", "time"], [*rows, ["in all", format_duration(sum(self.times.values()))]])


@dataclass(frozen=True)
class _Servers:
    lake: S3Server
    exchange: S3Server
    prefect: Future[PrefectServer]


def _run(folder: Path, output: Path | None, wanted: str) -> bool:
    steps = Steps()
    with ExitStack() as stack:
        with steps.step(
            "servers", f"Starting {choose_server(wanted).name}, a second one as the exchange, and a Prefect server"
        ):
            servers = _start(folder, stack, wanted)
        with steps.step("publish", "Publishing generated archives in the exchange's layout"):
            truth = _publish(servers.exchange, folder)
        with steps.step("prefect", "Waiting for the Prefect server, which takes longest to start"):
            os.environ.update(servers.prefect.result().client_env())
            config = _write_config(folder, servers)
        with steps.step("flow", "Prefect flow collect_and_build: discover → plan → copy → verify → build → replicate"):
            stack.callback(_send_pending)  # before the servers are stopped, also after Ctrl-C
            run = _run_flow(config)
        _print_run(run)
        with steps.step("again", "The same flow again: nothing is new, nothing may change"):
            again = _run_flow(config, rebuild=True)
        with steps.step("read", "Reading the tables back with pandas, polars and DuckDB"):
            counts_agree = _read_back(config, run)
        summary = _write_summary(folder, steps, run, again, truth)
        with steps.step("validate", "Running validation/acceptance.ipynb through papermill"):
            report = _validate(config, summary, folder / "truth.json", output)
            _link(run, report)
        with steps.step("stop", "Stopping the servers"):
            stack.close()
    print()
    steps.print_summary()
    _print_verdict(report)
    return report.passed and counts_agree


def _start(folder: Path, stack: ExitStack, wanted: str) -> _Servers:
    """Start both S3 servers, and begin to start Prefect; `stack` ends them all, also half started."""
    lake = make_server(wanted, folder / "lake", observer=progress())  # builds MinIO, where that was asked for
    exchange = make_server(wanted, folder / "exchange", observer=ignore_events)
    prefect = PrefectServer(folder / "prefect")
    pool = stack.enter_context(ThreadPoolExecutor(3, "servers"))
    for server in (lake, exchange, prefect):  # stopped before the pool is waited for, so that a start under way ends too
        stack.callback(server.stop)
    starting = pool.submit(prefect.start)
    for started in [pool.submit(server.start) for server in (lake, exchange)]:
        started.result()
    print(f"   lake {lake.endpoint_url}, exchange {exchange.endpoint_url}")
    if lake.name != "MinIO" and wanted == "auto":
        print("   MinIO instead: `make demo SERVER=minio`, or `lakehouse servers install minio` once (three to seven minutes)")
    return _Servers(lake, exchange, starting)


def _publish(exchange: S3Server, folder: Path) -> MirrorTruth:
    from lakehouse_sdk.testing import demo_mirror, publish_mirror  # noqa: PLC0415 (loads polars)

    truth = publish_mirror(exchange.profile, _MIRROR, demo_mirror(), observer=progress())
    (folder / "truth.json").write_text(json.dumps(truth.to_dict()), encoding="utf-8")
    totals = truth.totals
    print(f"   {format_count(totals.archives)} archives, {format_count(totals.rows_published)} rows")
    return truth


def _write_config(folder: Path, servers: _Servers) -> Path:
    """The demo's settings file; only its owner can read it."""
    access_key, secret_key = servers.lake.profile.credentials()
    file = folder / "lakehouse.toml"
    file.touch(mode=0o600)
    file.write_text(
        f"""[storage]
endpoint_url = "{servers.lake.endpoint_url}"
access_key = "{access_key}"
secret_key = "{secret_key}"

[lake]
bucket = "{_BUCKET}"

[archives.binance]
endpoint_url = "{servers.exchange.endpoint_url}"
bucket = "{_MIRROR}"
region = "us-east-1"

[catalog]
uri = "sqlite:///{folder}/catalog.db"

[transfer]
staging_dir = "{folder}/staging"

[prefect]
api_url = "{servers.prefect.result().api_url}"
""",
        encoding="utf-8",
    )
    return file


def _run_flow(config: Path, *, rebuild: bool = False) -> RunReport:
    from lakehouse_sdk.flows import collect_and_build  # noqa: PLC0415 (reads PREFECT_* variables when it loads)

    os.environ["LAKEHOUSE_CONFIG"] = str(config)
    return collect_and_build(rebuild=rebuild, replica_bucket=_REPLICA)


def _send_pending() -> None:
    from lakehouse_sdk.flows import send_pending  # noqa: PLC0415

    send_pending()


def _print_run(run: RunReport) -> None:
    print(f"   run {run.flow_run_name!r}")
    print_table(["task", "time"], [[f"   {step.name}", format_duration(step.seconds)] for step in run.steps])
    for name, transfer in run.transfers().items():
        print(
            f"   {name}: {transfer.strategy} ({transfer.strategy_reason}); {format_count(transfer.count(Status.DONE))} objects,"
            f" {format_bytes(transfer.bytes_copied)}, {format_bytes(transfer.bytes_through_client)} through this machine"
        )
    for item in run.collect.problems:
        print(f"   {item.state.value}: {item.archive.key}: {item.reason}")


def _connect(config: Path) -> Lakehouse:
    from lakehouse_sdk.lakehouse import connect  # noqa: PLC0415

    return connect(config_file=config)


def _read_back(config: Path, run: RunReport) -> bool:
    """Count every table with three readers, show a few rows; True where all counts agree with the build's own."""
    lake = _connect(config)
    table, agree = [], True
    for name, built in run.build.rows_by_table().items():
        scan = lake.table(name).scan(columns=_SHOWN_COLUMNS[name])
        frame = scan.to_polars()
        duckdb_rows = scan.to_duckdb().aggregate("count(*)").fetchall()[0][0]
        read = (len(scan.to_pandas()), frame.height, duckdb_rows)
        agree &= built.rows_in == built.accepted + built.duplicate + built.quarantined
        agree &= set(read) == {built.accepted}
        counts = (built.rows_in, built.accepted, built.duplicate, built.quarantined, *read)
        table.append([name, *map(format_count, counts)])
        print(f"\n   {name}\n{frame.head(3)}")
    print_table(["table", "rows in", "accepted", "duplicate", "quarantined", "pandas", "polars", "DuckDB"], table)
    print(f"   rows in = accepted + duplicate + quarantined, and three readers agree: {'yes' if agree else 'NO'}")
    return agree


def _write_summary(folder: Path, steps: Steps, run: RunReport, again: RunReport, truth: MirrorTruth) -> Path:
    summary: dict[str, Any] = {
        "steps": [{"name": name, "seconds": seconds} for name, seconds in steps.times.items()],
        "run": run.to_dict(),
        "again": again.to_dict(),
        "published": {"archives": truth.totals.archives, "rows": truth.totals.rows_published},
    }
    file = folder / "run-summary.json"
    file.write_text(json.dumps(summary, default=str), encoding="utf-8")
    return file


def _validate(config: Path, summary: Path, truth: Path, output: Path | None) -> ValidationReport:
    from lakehouse_sdk.acceptance import run_validation  # noqa: PLC0415 (loads papermill)

    parameters = {"lakehouse_config": str(config), "run_summary_path": str(summary), "truth_path": str(truth)}
    return run_validation("acceptance", parameters=parameters, output_dir=output, observer=progress())


def _link(run: RunReport, report: ValidationReport) -> None:
    from uuid import UUID  # noqa: PLC0415

    from lakehouse_sdk.flows import link_report  # noqa: PLC0415

    link_report(UUID(run.flow_run_id), report.html_path.absolute().as_uri(), passed=report.passed)


def _print_verdict(report: ValidationReport) -> None:
    passed = sum(check.passed is True for check in report.checks)
    undecided = sum(check.passed is None for check in report.checks)
    print(f"\n{passed} of {len(report.checks) - undecided} checks passed; {undecided} cannot be decided on this machine.")
    for check in report.checks:
        if check.passed is False:
            print(f"   FAILED {check.id}: {check.title}")
    print(f"Report:  {report.html_path}\nSummary: {report.summary_path}")
