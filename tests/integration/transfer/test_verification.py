"""Verification on its own and after a copy: what is the same, what differs with both values, and by how much proof."""

from __future__ import annotations

import hashlib
import io
import json
import os

import pyarrow.parquet as pq
import pytest

from lakehouse_sdk.errors import IntegrityError, NotFoundError
from lakehouse_sdk.events import StageFinished
from lakehouse_sdk.transfer import (
    Action,
    FindingKind,
    Outcome,
    PlannedObject,
    Selection,
    Status,
    plan_transfer,
    run_transfer,
    verify_transfer,
    write_manifest,
)
from lakehouse_sdk.transfer.context.ends import resolve_ends
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.proof.prover import Prover, compute_etag
from lakehouse_sdk.transfer.proof.verify import prove_outcomes

MIB = 1024**2


def put_parts(client, bucket: str, key: str, body: bytes, part_bytes: int = 5 * MIB) -> str:
    upload = client.start_upload(bucket, key)
    parts = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    return client.complete_upload(bucket, upload, [client.put_part(bucket, upload, n, part) for n, part in enumerate(parts, 1)])


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "folder"
    (root / "d").mkdir(parents=True)
    (root / "a").write_bytes(b"alpha")
    (root / "d/b c").write_bytes(b"beta")
    (root / "large").write_bytes(os.urandom(12 * MIB + 3))
    return root


@pytest.fixture
def uploaded(folder, s3, bucket) -> str:
    """The folder's files at `up/`, the large one in parts of 5 MiB."""
    for name in ("a", "d/b c"):
        s3.put_bytes(bucket, f"up/{name}", (folder / name).read_bytes())
    assert put_parts(s3, bucket, "up/large", (folder / "large").read_bytes()).endswith("-3")
    return f"s3://{bucket}/up"


@pytest.mark.parametrize(("mode", "proven"), [
    ("auto", {}),
    ("etag", {"etag": 3}),
    ("sha256", {"sha256": 3}),
    ("sha256-sample", {"sha256": 1}),
])  # fmt: skip
@pytest.mark.parametrize("backwards", [False, True])
def test_a_folder_and_its_upload_are_the_same(lake, folder, uploaded, mode, proven, backwards):
    ends = (uploaded, folder) if backwards else (folder, uploaded)
    report = verify_transfer(*ends, settings=lake, mode=mode)
    assert report.proven_by == proven
    assert report.ok
    assert report.findings == ()
    report.raise_for_findings()
    assert report.same_objects + report.unproven == 3
    assert report.is_proven == (sum(proven.values()) == 3)
    assert bool(report.bytes_read) is mode.startswith("sha256")
    assert f"{report.same_objects} the same" in repr(report)
    assert (f"{report.unproven} not proven, only their sizes are equal" in repr(report)) == (not report.is_proven)
    if not report.is_proven:
        with pytest.raises(IntegrityError, match="only the sizes were compared"):
            report.raise_for_findings(strict=True)


def test_other_bytes_of_the_same_size_are_found_with_both_values(lake, folder, uploaded, s3, bucket):
    body = (folder / "large").read_bytes()
    s3.put_bytes(bucket, "up/a", b"ALPHA")
    put_parts(s3, bucket, "up/large", body[:-1] + bytes([body[-1] ^ 1]))
    by_size = verify_transfer(folder, uploaded, settings=lake)
    assert (by_size.ok, by_size.is_proven, by_size.unproven) == (True, False, 3), (
        "sizes alone cannot tell, and the report says so"
    )
    for mode in ("etag", "sha256"):
        report = verify_transfer(folder, uploaded, settings=lake, mode=mode)
        assert {finding.relative_key: finding.kind for finding in report.findings} == {
            "a": FindingKind.DIFFERS,
            "large": FindingKind.DIFFERS,
        }
        with pytest.raises(IntegrityError, match="'a' differs by"):
            report.raise_for_findings()
        values = {finding.relative_key: (finding.source_value, finding.target_value) for finding in report.findings}
        new = hashlib.md5 if mode == "etag" else hashlib.sha256
        assert values["a"] == (new(b"alpha").hexdigest(), new(b"ALPHA").hexdigest())
        assert all(one != other for one, other in values.values())
        assert list(report.to_pandas()["kind"]) == ["differs", "differs"]
        assert "differs" in report._repr_html_()
        assert json.loads(json.dumps(report.to_dict()))["findings"][0]["relative_key"] == "a"


def test_missing_extra_other_sizes_and_unreadable(lake, folder, uploaded, s3, bucket, tmp_path):
    s3.delete(bucket, "up/a")
    s3.put_bytes(bucket, "up/d/b c", b"longer than beta")
    s3.put_bytes(bucket, "up/stray", b"x")
    (folder / "link").symlink_to(tmp_path / "nowhere")
    s3.put_bytes(bucket, "up/link", b"")
    events = []
    report = verify_transfer(folder, uploaded, settings=lake, mode="sha256", observer=events.append)
    kinds = {finding.relative_key: finding.kind.value for finding in report.findings}
    assert kinds == {"a": "missing", "d/b c": "differs", "stray": "extra", "link": "unreadable"}
    assert not report.ok
    assert isinstance(events[-1], StageFinished)
    assert not events[-1].ok
    only = verify_transfer(folder, uploaded, settings=lake, selection=Selection(include=["stray", "large"]))
    assert only.ok
    assert only.count(FindingKind.EXTRA) == 1
    with pytest.raises(NotFoundError):
        verify_transfer(tmp_path / "nothing", uploaded, settings=lake)


def test_between_two_servers(lake, s3, other_s3, bucket, other_bucket):
    """Multipart ETags of two servers that cut differently prove nothing; recorded or read hashes do."""
    body = os.urandom(11 * MIB)
    put_parts(s3, bucket, "x", body)
    put_parts(other_s3, other_bucket, "x", body, 6 * MIB)
    source, target = f"s3://{bucket}", f"lakehouse://other@{other_bucket}"
    assert verify_transfer(source, target, settings=lake).unproven == 1
    report = verify_transfer(source, target, settings=lake, mode="sha256")
    assert (report.proven_by, report.bytes_read) == ({"sha256": 1}, 2 * len(body))
    s3.copy(bucket, "x", bucket, "y", sha256=True)
    other_s3.copy(other_bucket, "x", other_bucket, "z", sha256=True)
    s3.delete(bucket, "x")
    other_s3.copy(other_bucket, "z", other_bucket, "y", sha256=True)
    for key in ("x", "z"):
        other_s3.delete(other_bucket, key)
    assert verify_transfer(source, target, settings=lake).same_objects == 1


@pytest.mark.parametrize(("size", "part"), [(0, 0), (0, 5), (4, 5), (5, 5), (10, 5), (11, 5)])
def test_etags_of_files(tmp_path, size, part):
    body = os.urandom(size * MIB)
    path = tmp_path / "file"
    path.write_bytes(body)
    digests = (
        [hashlib.md5(body[at : at + part * MIB]).digest() for at in range(0, max(len(body), 1), part * MIB or 1)]
        if part
        else []
    )
    expected = f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}" if part else hashlib.md5(body).hexdigest()
    assert compute_etag(str(path), part * MIB) == expected


class TestAfterACopy:
    @pytest.fixture
    def prover(self, lake, folder, uploaded):
        with RunContext(lake.transfer) as context:
            ends = resolve_ends(folder, uploaded, lake)
            yield Prover(ends.source, ends.target, context)

    def outcome(self, folder, name: str, status: Status = Status.DONE) -> Outcome:
        path = folder / name
        return Outcome(PlannedObject(name, str(path), f"up/{name}", path.stat().st_size), status, runner="s5cmd")

    @pytest.mark.parametrize("mode", ["auto", "etag", "sha256", "sha256-sample"])
    def test_what_is_right_stays_done(self, prover, folder, mode):
        outcomes = [self.outcome(folder, name) for name in ("a", "d/b c", "large")]
        assert list(prove_outcomes(prover, outcomes, mode)) == outcomes

    def test_a_mismatch_is_a_failure_with_both_values(self, prover, folder, s3, bucket):
        s3.put_bytes(bucket, "up/a", b"ALPHA")
        outcomes = [self.outcome(folder, "large"), self.outcome(folder, "a"), self.outcome(folder, "d/b c", Status.FAILED)]
        for mode, new in (("etag", hashlib.md5), ("sha256", hashlib.sha256)):
            good, bad, failed = prove_outcomes(prover, outcomes, mode)
            assert good is outcomes[0]
            assert failed is outcomes[2]
            assert bad.status is Status.FAILED
            assert new(b"alpha").hexdigest() in bad.reason
            assert new(b"ALPHA").hexdigest() in bad.reason
        assert list(prove_outcomes(prover, outcomes, "sha256-sample")) == outcomes, "a sample of one looks at the first"

    def test_what_cannot_be_looked_at_is_a_failure(self, prover, folder, s3, bucket):
        s3.delete(bucket, "up/a")
        (gone,) = prove_outcomes(prover, [self.outcome(folder, "a")], "sha256")
        assert gone.status is Status.FAILED
        assert "could not be verified" in gone.reason


def test_a_manifest_tells_of_each_object(settings, s3, folder, bucket):
    (folder / "bad-\udcff").write_bytes(b"no key can hold this name")
    plan = plan_transfer(folder, f"s3://{bucket}/in", settings=settings)
    report = run_transfer(plan, settings=settings)
    address = write_manifest(report, settings=settings)
    assert address.key.startswith("_manifests/transfers/")
    table = pq.read_table(io.BytesIO(s3.get_bytes(address.bucket, address.key)))
    rows = {row["relative_key"]: row for row in table.to_pylist()}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "done",
        "d/b c": "done",
        "large": "done",
        "bad-\\udcff": "conflict",
    }
    assert rows["a"]["bytes_through_client"] == rows["a"]["size_bytes"] == 5
    assert rows["bad-\\udcff"]["bytes_through_client"] == 0
    totals = json.loads(table.schema.metadata[b"lakehouse_sdk.transfer_manifest"])
    assert totals["objects"]["done"] == 3
    assert totals["version"] == 1
    again = run_transfer(plan_transfer(folder, f"s3://{bucket}/in", settings=settings), settings=settings)
    empty = pq.read_table(io.BytesIO(s3.get_bytes(bucket, write_manifest(again, settings=settings).key)))
    assert json.loads(empty.schema.metadata[b"lakehouse_sdk.transfer_manifest"])["objects"]["skipped"] == 3
    assert Action.CONFLICT.value in set(empty["action"].to_pylist())
