"""The acceptance notebook on a real lakehouse: it passes on a good one, and each of its checks can fail."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lakehouse_sdk.acceptance import Timeouts, ValidationReport, run_validation
from lakehouse_sdk.flows.collect_and_build import RunReport, StepTime
from lakehouse_sdk.jobs import replicate_bronze
from lakehouse_sdk.lakehouse import Lakehouse, connect
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import Defect, MirrorSpec, MirrorTruth, day_range, publish_mirror

SPEC = MirrorSpec(
    markets=("spot", "um"),
    symbols=("BTCUSDT",),
    data_types=("klines", "aggTrades"),
    interval="1h",
    days=day_range(date(2024, 12, 30), date(2025, 1, 4)),
    trades_per_day=300,
    defects=(
        Defect("checksum-mismatch", "um", "klines", "BTCUSDT", "2025-01-01"),
        Defect("checksum-missing", "spot", "klines", "BTCUSDT", "2025-01-02"),
        Defect("zip-truncated", "spot", "aggTrades", "BTCUSDT", "2025-01-02"),
        Defect("rows-doubled", "um", "klines", "BTCUSDT", "2025-01-02"),
        Defect("high-below-low", "spot", "klines", "BTCUSDT", "2025-01-03"),
        Defect("not-published", "um", "klines", "BTCUSDT", "2025-01-04"),
        Defect("stray-part", "um", "aggTrades", "BTCUSDT", "2025-01-03"),
    ),
)
LIMITS = Timeouts(cell_s=200, total_s=300)
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Filled:
    """A lakehouse after two runs, with what both said."""

    folder: Path
    lake: Lakehouse
    truth: MirrorTruth
    summary: dict[str, Any]

    @property
    def config(self) -> Path:
        return self.folder / "lakehouse.toml"

    def validate(self, output: Path, truth: dict[str, Any], summary: dict[str, Any]) -> ValidationReport:
        """Run the notebook against this lakehouse with this truth and this summary."""
        output.mkdir()
        (output / "truth.json").write_text(json.dumps(truth))
        (output / "run.json").write_text(json.dumps(summary, default=str))
        parameters = {
            "lakehouse_config": self.config,
            "truth_path": output / "truth.json",
            "run_summary_path": output / "run.json",
        }
        return run_validation(parameters=parameters, output_dir=output / "reports", timeouts=LIMITS)


@pytest.fixture(scope="module")
def filled(minio: MinioServer, other_minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """A lakehouse that several tests read and none changes."""
    return fill(minio, other_minio, tmp_path_factory.mktemp("acceptance"))


def fill(minio: MinioServer, other_minio: MinioServer, folder: Path) -> Filled:
    """The main job without Prefect, twice."""
    name = f"acceptance-{uuid.uuid4().hex[:8]}"
    truth = publish_mirror(other_minio.profile, name, SPEC)
    access_key, secret_key = minio.profile.credentials()
    (folder / "lakehouse.toml").write_text(
        f'[storage]\nendpoint_url = "{minio.endpoint_url}"\naccess_key = "{access_key}"\nsecret_key = "{secret_key}"\n'
        f'[lake]\nbucket = "{name}"\n[catalog]\nuri = "sqlite:///{folder}/catalog.db"\n'
        f'[archives.binance]\nendpoint_url = "{other_minio.endpoint_url}"\nbucket = "{name}"\nregion = "us-east-1"\n'
    )
    lake = connect(config_file=folder / "lakehouse.toml")
    first, second = (run_once(lake, f"{name}-replica", rebuild=again) for again in (False, True))
    summary = {
        "steps": [{"name": "flow", "seconds": 1.0}],
        "run": first,
        "again": second,
        "published": {"archives": truth.totals.archives, "rows": truth.totals.rows_published},
    }
    return Filled(folder, lake, truth, summary)


def run_once(lake: Lakehouse, replica: str, *, rebuild: bool) -> dict[str, Any]:
    collected = lake.collect(lake.discover(markets=("spot", "um"), data_types=("klines", "aggTrades")))
    built = lake.build(collected, rebuild=rebuild)
    copied = replicate_bronze(replica, settings=lake.settings)
    return RunReport("id", "a run", collected, built, copied, (StepTime("build", built.seconds),)).to_dict()


def test_a_good_lakehouse_passes_every_check(filled: Filled, tmp_path: Path) -> None:
    """All that can be decided passes; each planted defect has its own check; no file of the report holds the secret."""
    report = filled.validate(tmp_path / "good", filled.truth.to_dict(), filled.summary)
    assert report.passed, f"{report.verdict} {report.failed}"
    assert {check.id for check in report.checks} >= {f"defect-{defect.kind}" for defect in SPEC.defects}
    assert {check.id for check in report.undecided} == {"throughput-10-gb-s", "operations-10000-per-s", "availability-99-9"}
    secret = filled.lake.settings.storage.credentials()[1]
    assert [file.name for file in report.path.iterdir() if secret in file.read_text()] == []
    page = report.html_path.read_text()
    for title in ("Transfers", "Rows add up", "Quarantine", "Planted defects", "Coverage, day by day", "BTCUSDT, spot"):
        assert f"<h2>{title}</h2>" in page


def test_without_truth_and_summary_the_rest_is_open_and_not_passed_over(filled: Filled, tmp_path: Path) -> None:
    """A lakehouse that nobody planted anything in is judged by itself."""
    report = run_validation(parameters={"lakehouse_config": filled.config}, output_dir=tmp_path, timeouts=LIMITS)
    assert report.passed, f"{report.verdict} {report.failed}"
    assert {"rows-as-published", "defects-found", "again-writes-no-row", "volumes-as-published"} <= {
        check.id for check in report.undecided
    }
    assert {"bronze-hashes", "rows-add-up", "bars-from-trades", "readers-agree-klines"} <= {
        check.id for check in report.checks if check.passed
    }


def change(values: Any, path: str, to: Callable[[Any], Any]) -> None:
    """Replace the member at `path`, in place."""
    *parents, last = path.split("/")
    for name in parents:
        values = values[int(name)] if isinstance(values, list) else values[name]
    values[last] = to(values[last])


def test_every_lie_in_the_summary_and_the_truth_is_found(filled: Filled, tmp_path: Path) -> None:
    """What the run or the publisher said is changed in many places; exactly the checks that watch these places fail."""
    summary = json.loads(json.dumps(filled.summary, default=str))
    transfers = summary["run"]["transfers"]
    change(transfers, "bronze → replica/bytes_through_client", lambda _: 5)
    change(transfers, "archives → bronze/bytes_through_client", lambda value: value // 2)
    change(summary, "again/build/commit/rows_written", lambda _: 3)
    change(summary, "again/transfers/archives → bronze/objects/done", lambda _: 1)
    change(summary, "again/build/commit/tables/0/snapshot_id", lambda value: value + 1)
    summary["note"] = filled.lake.settings.storage.credentials()[1]
    clean = next(archive for archive in filled.truth.archives if archive.defect is None)
    wrong = {
        clean.key: replace(clean, accepted=clean.accepted + 1, rows_in=clean.rows_in + 1, sha256="0" * 64, volume="1"),
        **{
            archive.key: replace(archive, accepted=archive.accepted - 1, quarantined={"ohlc-order": 2})
            for archive in filled.truth.archives
            if archive.defect == "high-below-low"
        },
    }
    truth = replace(filled.truth, archives=tuple(wrong.get(archive.key, archive) for archive in filled.truth.archives))
    report = filled.validate(tmp_path / "lies", truth.to_dict(), summary)
    assert report.error is None
    assert {check.id for check in report.failed} == {
        "direct-passes-no-bytes",
        "relayed-counts-both-ways",
        "again-writes-no-row",
        "again-copies-nothing",
        "snapshots-still-shown",
        "no-secret-in-the-summary",
        "bronze-as-made",
        "rows-as-published",
        "volumes-as-published",
        "defect-high-below-low",
    }


def test_damage_in_the_lakehouse_is_found(minio: MinioServer, other_minio: MinioServer, s3: S3Client, tmp_path: Path) -> None:
    """Bytes of bronze are replaced and removed behind the lakehouse's back, and a table loses a day; checks see each."""
    filled = fill(minio, other_minio, tmp_path)
    bucket, prefix = filled.lake.settings.lake.bucket, "bronze/binance/"
    good = [archive for archive in filled.truth.archives if archive.defect is None]
    s3.put_bytes(bucket, prefix + good[0].key, b"other bytes")
    s3.delete(bucket, prefix + good[1].key)
    lost = next(archive for archive in good if archive.data_type == "klines" and archive.market == "spot")
    from pyiceberg.expressions import EqualTo

    table = filled.lake.catalog.table("silver.klines")._table
    table.delete(EqualTo("_source_key", lost.key))
    report = filled.validate(tmp_path / "damaged", filled.truth.to_dict(), filled.summary)
    assert report.error is None
    assert {check.id for check in report.failed} == {
        "bronze-hashes",
        "bronze-complete",
        "bronze-as-made",
        "replica-equals-bronze",
        "tables-hold-the-accepted",
        "volumes-as-published",
        "bars-from-trades",
        "snapshots-still-shown",
    }
