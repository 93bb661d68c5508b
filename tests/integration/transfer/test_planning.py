"""Planning against real servers: every key is listed once and in order, compare modes, deletes, what a server cannot hold."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse_sdk.config import load_settings
from lakehouse_sdk.errors import DeleteRefusedError, NotFoundError
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import Action, Selection, Status, TransferPlan, plan_transfer, run_transfer
from lakehouse_sdk.transfer.plan.listing import list_s3
from lakehouse_sdk.transfer.plan.names import find_key_obstacle

MIB = 1024**2


def put_multipart(client: S3Client, bucket: str, key: str, body: bytes, part_bytes: int = 5 * MIB) -> str:
    upload = client.start_upload(bucket, key)
    parts = [body[at : at + part_bytes] for at in range(0, len(body), part_bytes)]
    etags = [client.put_part(bucket, upload, number, part) for number, part in enumerate(parts, 1)]
    return client.complete_upload(bucket, upload, etags)


def actions(plan) -> dict[str, Action]:
    return {row.relative_key: row.action for row in plan}


def sync(source, target, settings, **options):
    report = run_transfer(plan_transfer(source, target, settings=settings, **options), settings=settings)
    report.raise_for_failures()
    return report


def fill(client: S3Client, bucket: str, keys: list[str]) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: client.put_bytes(bucket, key, b"" if key.endswith("/") else b"x"), keys))


@pytest.fixture(scope="module")
def tree(s3, odd_keys) -> str:
    """2,700 keys: a folder of more than a page, small ones, objects beside folders, odd names, markers, nested levels."""
    bucket = "listing-side-by-side"
    s3.ensure_bucket(bucket)
    keys = [f"t/big/{number:04d}" for number in range(1300)]
    keys += [f"t/small-{number:03d}/{part}" for number in range(200) for part in ("a", "b c", "d/e")]
    keys += [f"t/file-{number:03d}" for number in range(250)] + [f"t/zz/deep/{number:03d}/x" for number in range(400)]
    odd = [key for key in odd_keys if len(key) < 1000]
    keys += [f"t/odd/{key}" for key in odd] + [f"t/{key}" for key in odd]
    keys += ["t/small-005/", "t/big/", "t/é/1", "t/\U0001f600/2"]
    fill(s3, bucket, sorted({key for key in keys if key not in ("t/😀", "t/ü")}))
    return bucket


class TestListingSideBySide:
    @pytest.mark.parametrize("prefix", ["", "t/", "t/big/", "t/small-", "t/zz/deep/", "t/none/"])
    @pytest.mark.parametrize("at_once", [1, 8])
    def test_it_is_the_listing_page_by_page(self, s3, tree, prefix, at_once):
        one_by_one = list(s3.list_objects(tree, prefix))
        assert list(s3.list_parallel(tree, prefix, at_once=at_once)) == one_by_one

    def test_it_takes_few_more_requests(self, s3, tree):
        before = s3.requests_sent
        count = sum(1 for _ in s3.list_parallel(tree))
        assert count > 2500
        assert s3.requests_sent - before <= 30

    def test_a_small_prefix_is_one_request(self, s3, tree):
        before = s3.requests_sent
        assert sum(1 for _ in s3.list_parallel(tree, "t/small-00")) == 31
        assert s3.requests_sent - before == 1

    def test_leaving_early_is_fine(self, s3, tree):
        for at, _ in enumerate(s3.list_parallel(tree)):
            if at == 1500:
                break
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("lakehouse-list")]
        assert sum(1 for _ in s3.list_parallel(tree, "t/small-00")) == 31

    def test_its_own_marker_is_left_out(self, s3, tree):
        names = [entry.name for entry in list_s3(s3, tree, "t/big/")]
        assert "" not in names
        assert len(names) == 1300


class TestCompare:
    def test_multipart_objects_are_copied_once(self, lake, s3, bucket, second_bucket):
        """A copy that changes `…-2` into a plain MD5 is recognised the next time, as is one that keeps it."""
        body = bytes(6 * MIB)
        assert put_multipart(s3, bucket, "in/parts", body).endswith("-2")
        s3.put_bytes(bucket, "in/plain", b"plain")
        s3.copy(bucket, "in/parts", second_bucket, "out/parts")
        assert "-" not in s3.get_info(second_bucket, "out/parts").etag, "MinIO keeps the ETag now: this test proves less"
        sync(f"s3://{bucket}/in", f"s3://{second_bucket}/out", lake)
        again = plan_transfer(f"s3://{bucket}/in", f"s3://{second_bucket}/out", settings=lake)
        assert (again.totals.copy_objects, again.totals.skip_objects) == (0, 2)

    def test_recorded_hashes_tell_what_etags_do_not(self, lake, s3, bucket, second_bucket):
        """Two objects of one size with SHA-256 on record: a copy happens where the bytes differ only."""
        s3.put_bytes(bucket, "in/x", b"one")
        s3.copy(bucket, "in/x", bucket, "in/a", sha256=True)
        s3.copy(bucket, "in/x", bucket, "in/b", sha256=True)
        s3.delete(bucket, "in/x")
        s3.put_bytes(second_bucket, "y", b"two")
        s3.copy(bucket, "in/a", second_bucket, "out/a", sha256=True)
        s3.copy(second_bucket, "y", second_bucket, "out/b", sha256=True)
        plan = plan_transfer(f"s3://{bucket}/in", f"s3://{second_bucket}/out", settings=lake, compare="sha256", keep_skips=True)
        assert {row.relative_key: (row.action, row.reason) for row in plan} == {
            "a": (Action.SKIP, "same size and SHA-256"),
            "b": (Action.COPY, "same size, other SHA-256"),
        }

    def test_modes(self, lake, s3, bucket, second_bucket):
        s3.put_bytes(second_bucket, "same", b"12")
        s3.put_bytes(second_bucket, "other", b"34")
        for key in ("same", "other"):
            s3.put_bytes(bucket, key, b"12")
        plans = {
            mode: plan_transfer(f"s3://{second_bucket}", f"s3://{bucket}", settings=lake, compare=mode)
            for mode in ("auto", "size-time", "sha256", "always")
        }
        assert actions(plans["auto"]) == {"other": Action.COPY}
        assert actions(plans["size-time"]) == {}
        assert actions(plans["always"]) == {"same": Action.COPY, "other": Action.COPY}
        assert {row.reason for row in plans["sha256"]} <= {
            "same size, but the source has no SHA-256 on record",
            "same size, other SHA-256",
        }


class TestDeletes:
    def test_they_are_planned_and_limited(self, lake, s3, bucket, second_bucket):
        for number in range(20):
            s3.put_bytes(bucket, f"in/{number:02d}", b"x")
            s3.put_bytes(second_bucket, f"out/{number:02d}", b"x")
        s3.put_bytes(second_bucket, "out/stray\n", b"stray")
        source, target = f"s3://{bucket}/in", f"s3://{second_bucket}/out"
        (row,) = plan_transfer(source, target, settings=lake, delete=True)
        assert (row.action, row.target_key, row.size_bytes) == (Action.DELETE, "out/stray\n", 5)
        assert row.etag == s3.get_info(second_bucket, "out/stray\n").etag
        s3.put_bytes(second_bucket, "out/stray2", b"")
        s3.put_bytes(second_bucket, "out/stray3", b"")
        plan = plan_transfer(source, target, settings=lake, delete=True)
        with pytest.raises(DeleteRefusedError, match="3 of 23 objects"):
            run_transfer(plan, settings=lake)
        assert not plan_transfer(source, target, settings=lake, delete=True, max_deletes=3).delete_refusal

    def test_a_mistyped_source_deletes_nothing(self, lake, s3, bucket, second_bucket):
        s3.put_bytes(second_bucket, "out/x", b"x")
        plan = plan_transfer(f"s3://{bucket}/typo", f"s3://{second_bucket}/out", settings=lake, delete=True, max_deletes=9)
        with pytest.raises(DeleteRefusedError, match="is empty"):
            run_transfer(plan, settings=lake)
        with pytest.raises(DeleteRefusedError, match="could not be listed") as error:
            plan_transfer("s3://no-such-bucket", f"s3://{second_bucket}/out", settings=lake, delete=True)
        assert isinstance(error.value.__cause__, NotFoundError)
        with pytest.raises(NotFoundError):
            plan_transfer(f"s3://{bucket}", "s3://no-such-bucket", settings=lake, delete=True)
        assert s3.find_info(second_bucket, "out/x")

    def test_the_sdks_own_folders_are_not_strays(self, lake, s3, bucket, second_bucket):
        for key in ("_incoming/1", "_manifests/m", "stray", "-early"):
            s3.put_bytes(second_bucket, key, b"x")
        s3.put_bytes(bucket, "new", b"x")
        plan = plan_transfer(f"s3://{bucket}", f"s3://{second_bucket}", settings=lake, delete=True, max_deletes=9)
        assert actions(plan) == {"new": Action.COPY, "stray": Action.DELETE, "-early": Action.DELETE}


class TestWhatMinioCannotHold:
    NAMES = ("a//b", "/lead", "./x", "x/../y", "x/ .. /z", "n" * 256, "é" * 128, "d/" + "n" * 300 + "/x")

    @pytest.mark.parametrize("name", NAMES)
    def test_the_server_does_refuse_it_or_holds_it_otherwise(self, s3, bucket, name):
        """The list of names is MinIO's, not ours: a name that it holds after all must not be called a conflict."""
        try:
            s3.put_bytes(bucket, f"p/{name}", b"x")
        except Exception:  # noqa: BLE001 (which error it is does not matter here)
            return
        assert [info.key for info in s3.list_objects(bucket)] != [f"p/{name}"]

    def test_it_is_a_conflict_before_the_first_byte_moves(self, lake, s3, bucket, tmp_path):
        assert all(find_key_obstacle(name, server="MinIO") for name in self.NAMES)
        assert not any(
            find_key_obstacle(name, server="MinIO") for name in ("a/b", "...", ".hidden", "n" * 255, "é" * 127, "d/")
        )

    def test_in_a_plan(self, lake, bucket, tmp_path):
        folder = tmp_path / "tree"
        (folder / "x").mkdir(parents=True)
        (folder / "x" / " .. ").write_text("odd")
        (folder / "fine").write_text("fine")
        plan = plan_transfer(folder, f"s3://{bucket}", settings=lake)
        assert actions(plan) == {"fine": Action.COPY, "x/ .. ": Action.CONFLICT}
        report = run_transfer(plan, settings=lake)
        assert (report.count(Status.DONE), report.count(Status.CONFLICT)) == (1, 1)


def test_selection_and_a_saved_plan(lake, s3, bucket, second_bucket, tmp_path):
    """Planned here, saved, loaded, run: what was selected arrives, and nothing else."""
    for key in ("d/a.zip", "d/a.zip.CHECKSUM", "e/b.zip", "big.zip"):
        s3.put_bytes(bucket, f"in/{key}", b"x" * (100 if key.startswith("big") else 1))
    selection = Selection(include="*.zip", exclude="e/", max_bytes=10)
    plan = plan_transfer(f"s3://{bucket}/in", f"s3://{second_bucket}", settings=lake, selection=selection)
    forecast = plan.forecast()
    assert (forecast.strategy, forecast.bytes_through_client, forecast.s3_requests) == ("direct", 0, 2)
    plan.save(tmp_path / "plan.parquet")
    run_transfer(TransferPlan.load(tmp_path / "plan.parquet"), settings=lake).raise_for_failures()
    assert [info.key for info in s3.list_objects(second_bucket)] == ["d/a.zip"]


def test_an_anonymous_source_and_one_whose_requester_pays(lake, s3, bucket, tmp_path):
    s3.put_bytes(bucket, "public/x", b"x")
    s3.set_public_read(bucket)
    public = s3.profile.model_copy(update={"anonymous": True, "access_key": None, "secret_key": None})
    paying = s3.profile.model_copy(update={"requester_pays": True})
    settings = load_settings(storage=lake.storage, profiles={"public": public, "paying": paying})
    for name in ("public", "paying"):
        sync(f"lakehouse://{name}@{bucket}/public", tmp_path / name, settings)
        assert (tmp_path / name / "x").read_bytes() == b"x"
