"""What the profile says of encryption holds for every way of writing, and a copy inside the server keeps what its source has.

A stranger's client (botocore) looks at what the server holds.
"""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from lakehouse_sdk.config import S3Profile, load_settings
from lakehouse_sdk.errors import ConfigurationError, KeyServiceError, StorageError, UsageError
from lakehouse_sdk.filesystem import LakehouseFileSystem
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.transfer import PlannedObject, TransferPlan, plan_transfer, run_transfer, verify_transfer
from lakehouse_sdk.uris import S3Address
from tests.support.fake_kes import FakeKes
from tests.support.stand_in import Authority, StandIn, make_authority
from tests.support.tls_minio import TlsMinio
from tests.support.transfer_witness import once

MIB = 1024**2
CUSTOMER_KEY = base64.b64encode(bytes(range(32))).decode()
MODES: dict[str, dict[str, str]] = {
    "AES256": {"encryption": "AES256"},
    "aws:kms": {"encryption": "aws:kms", "kms_key_id": "test-key"},
    "SSE-C": {"encryption": "SSE-C", "customer_key": CUSTOMER_KEY},
}
SMALL = {"transfer": {"part_size_mib": 5, "single_copy_max_bytes": 5 * MIB, "s5cmd_min_bytes": MIB}}
SIZES = {"empty": 0, "small": 10, "middle": 2 * MIB, "large": 11 * MIB}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def keyed(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Profile]:
    with TlsMinio(tmp_path_factory.mktemp("keyed"), authority) as server:
        yield server.profile


def make_profile(keyed: S3Profile, mode: str) -> S3Profile:
    return S3Profile.model_validate_json(json.dumps({**json.loads(keyed.to_json()), **MODES.get(mode, {})}))


def make_bucket(profile: S3Profile) -> str:
    name = f"keyed-{uuid.uuid4().hex[:12]}"
    with S3Client(profile) as client:
        client.ensure_bucket(name)
    return name


@pytest.fixture
def target(keyed: S3Profile) -> str:
    return make_bucket(keyed)


def look(profile: S3Profile, bucket: str) -> dict[str, str]:
    """How a stranger's client finds each object encrypted."""
    access_key, secret_key = profile.credentials()
    boto = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=profile.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        verify=str(profile.ca_bundle),
    )
    found = {}
    for item in boto.list_objects_v2(Bucket=bucket).get("Contents", []):
        try:
            head = boto.head_object(Bucket=bucket, Key=item["Key"])
            key = head.get("SSEKMSKeyId", "").rpartition(":")[2]
            found[item["Key"]] = " ".join(filter(None, (head.get("ServerSideEncryption", "none"), key)))
        except boto.exceptions.ClientError as error:  # who has no key of the caller's may not even look
            refused = error.response["ResponseMetadata"]["HTTPStatusCode"]
            found[item["Key"]] = "SSE-C" if refused == 400 else f"refused with {refused}"
    return found


EXPECTED = {"AES256": "AES256", "aws:kms": "aws:kms test-key", "SSE-C": "SSE-C"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))
    return folder


def put_folder(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    fs.put(str(tree), f"{bucket}/", recursive=True)


def put_one_by_one(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    for file in tree.iterdir():
        fs.put(str(file), f"{bucket}/tree/{file.name}")


def pipe(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    fs.pipe({f"{bucket}/tree/{file.name}": file.read_bytes() for file in tree.iterdir()})


def write(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    for file in tree.iterdir():
        with fs.open(f"{bucket}/tree/{file.name}", "wb", block_size=5 * MIB) as out:
            out.write(file.read_bytes())


def put_and_copy(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    fs.put(str(tree), f"{bucket}/", recursive=True)
    fs.copy(f"{bucket}/tree/", f"{bucket}/copied/", recursive=True)
    fs.copy(f"{bucket}/tree/small", f"{bucket}/alone")
    fs.mv(f"{bucket}/tree/middle", f"{bucket}/moved")


def touch(fs: LakehouseFileSystem, tree: Path, bucket: str) -> None:
    del tree
    fs.touch(f"{bucket}/touched")


WRITES = [put_folder, put_one_by_one, pipe, write, put_and_copy, touch]


@pytest.mark.parametrize("write_by", WRITES)
@pytest.mark.parametrize("mode", MODES)
def test_the_filesystem_encrypts_whatever_it_writes(
    keyed: S3Profile, target: str, tree: Path, mode: str, write_by: Callable[..., None]
) -> None:
    fs = LakehouseFileSystem(load_settings(storage=make_profile(keyed, mode), **SMALL))
    write_by(fs, tree, target)
    found = look(keyed, target)
    assert found
    assert set(found.values()) == {EXPECTED[mode]}, found
    for path in fs.find(target):
        name = path.rpartition("/")[2]
        if (tree / name).exists():
            assert fs.cat_file(path) == (tree / name).read_bytes()


@pytest.mark.parametrize("write_by", WRITES)
@pytest.mark.parametrize("mode", ["AES256", "aws:kms"])
def test_so_it_does_where_its_options_ask_for_it(
    keyed: S3Profile, target: str, tree: Path, mode: str, write_by: Callable[..., None]
) -> None:
    asked = {"ServerSideEncryption": mode, **({"SSEKMSKeyId": "test-key"} if mode == "aws:kms" else {})}
    fs = LakehouseFileSystem(load_settings(storage=keyed, **SMALL), s3_additional_kwargs=asked)
    write_by(fs, tree, target)
    found = look(keyed, target)
    assert found
    assert set(found.values()) == {EXPECTED[mode]}, found


def test_options_that_no_server_could_keep_are_refused(keyed: S3Profile) -> None:
    with pytest.raises(UsageError, match="encryption that cannot be had"):
        LakehouseFileSystem(load_settings(storage=keyed), s3_additional_kwargs={"SSEKMSKeyId": "k"})


@pytest.mark.parametrize("mode", MODES)
def test_every_way_of_a_sync_encrypts_and_the_report_says_so(
    keyed: S3Profile, target: str, tree: Path, mode: str, tmp_path: Path, other_minio: Any
) -> None:
    profile = make_profile(keyed, mode)
    settings = load_settings(
        storage=profile,
        profiles={"plain": keyed, "other": other_minio.profile},
        lake={"bucket": target},
        transfer={**SMALL["transfer"], "staging_dir": tmp_path / "staging"},
    )
    elsewhere = f"plain-{uuid.uuid4().hex[:12]}"
    with S3Client(other_minio.profile) as other:
        other.ensure_bucket(elsewhere)
        for file in tree.iterdir():
            other.put_bytes(elsewhere, file.name, file.read_bytes())
    sources = {"up": (str(tree), "auto"), "inside": (f"s3://{target}/up", "auto")}
    sources |= {name: (f"lakehouse://other@{elsewhere}", name) for name in ("streaming", "staged")}
    for name, (source, strategy) in sources.items():
        to = f"s3://{target}/{name}"
        report = run_transfer(
            plan_transfer(source, to, settings=settings),
            settings=settings,
            strategy=strategy,  # type: ignore[arg-type]
            manifest=True,
        )
        report.raise_for_failures()
        assert report.encryption == {mode: len(SIZES)}, name
        assert report.to_dict()["encryption"] == {mode: len(SIZES)}
        assert verify_transfer(source, to, settings=settings, mode="sha256").proven_by == {"sha256": 3, "empty": 1}
    found = look(keyed, target)
    assert len(found) == 4 * len(SIZES) + 4  # each with its manifest
    assert set(found.values()) == {EXPECTED[mode]}, found
    down = tmp_path / "down"
    run_transfer(plan_transfer(f"s3://{target}/inside", str(down), settings=settings), settings=settings).raise_for_failures()
    assert {file.name: file.read_bytes() for file in down.iterdir()} == {
        file.name: file.read_bytes() for file in tree.iterdir()
    }


@pytest.mark.parametrize("mode", ["AES256", "aws:kms"])
def test_a_copy_inside_the_server_keeps_what_its_source_has(keyed: S3Profile, target: str, tree: Path, mode: str) -> None:
    """CopyObject itself keeps nothing of it."""
    encrypted = load_settings(storage=make_profile(keyed, mode), **SMALL)
    run_transfer(plan_transfer(str(tree), f"s3://{target}/from", settings=encrypted), settings=encrypted)
    plain = load_settings(storage=keyed, **SMALL)
    report = run_transfer(plan_transfer(f"s3://{target}/from", f"s3://{target}/to", settings=plain), settings=plain)
    assert report.encryption == {mode: len(SIZES)}
    hashed = [
        PlannedObject(info.key, info.key, f"hashed/{info.key}", info.size_bytes, info.etag, sha256=sha256)
        for info in S3Client(keyed).list_objects(target, "from/")
        if (sha256 := _hash(keyed, target, info.key))
    ]
    plan = TransferPlan.from_rows(S3Address(target, "", ""), S3Address(target, "", ""), hashed)
    run_transfer(plan, settings=plain).raise_for_failures()
    fs = LakehouseFileSystem(plain)
    fs.copy(f"{target}/from/", f"{target}/by-fs/", recursive=True)
    fs.copy(f"{target}/from/small", f"{target}/one")
    fs.mv(f"{target}/one", f"{target}/two")
    found = look(keyed, target)
    assert len(found) == 4 * len(SIZES) + 1
    assert set(found.values()) == {EXPECTED[mode]}, found


def _hash(profile: S3Profile, bucket: str, key: str) -> str:
    import hashlib

    with S3Client(profile) as client:
        return hashlib.sha256(client.get_bytes(bucket, key)).hexdigest()


def test_what_a_target_elsewhere_does_not_keep_is_said(
    keyed: S3Profile, target: str, tree: Path, other_minio: Any, tmp_path: Path
) -> None:
    settings = load_settings(storage=make_profile(keyed, "aws:kms"), profiles={"other": other_minio.profile}, **SMALL)
    run_transfer(plan_transfer(str(tree), f"s3://{target}", settings=settings), settings=settings)
    elsewhere = f"plain-{uuid.uuid4().hex[:12]}"
    with S3Client(other_minio.profile) as other:
        other.ensure_bucket(elsewhere)
    plan = plan_transfer(f"s3://{target}", f"lakehouse://other@{elsewhere}", settings=settings)
    report = run_transfer(plan, settings=settings)
    assert report.ok
    assert report.encryption == {"none instead of aws:kms": len(SIZES)}
    assert "none instead of aws:kms: 4" in report.summary


def test_tables_are_encrypted_too(keyed: S3Profile, target: str, tmp_path: Path) -> None:
    from lakehouse_sdk.tables.iceberg.connecting import connect_catalog

    for mode in MODES:
        settings = load_settings(storage=make_profile(keyed, mode), catalog={"uri": f"sqlite:///{tmp_path}/{mode}.db"})
        bucket = make_bucket(keyed)
        _write_table(connect_catalog(settings, f"s3://{bucket}/warehouse"))
        found = look(keyed, bucket)
        assert len(found) >= 4  # metadata twice, a list of manifests, a manifest, rows
        assert set(found.values()) == {EXPECTED[mode]}, found


def _write_table(catalog: Any) -> None:
    import pyarrow as pa

    rows = pa.table({"n": [1, 2, 3]})
    catalog.create_namespace("space")
    table = catalog.create_table("space.numbers", schema=rows.schema)
    table.append(rows)
    assert catalog.load_table("space.numbers").scan().to_arrow().column("n").to_pylist() == [1, 2, 3]


def test_a_key_service_that_is_down_ends_the_run_at_its_first_answer(authority: Authority, tmp_path: Path, tree: Path) -> None:
    """MinIO itself asks it for seven seconds; each further attempt of ours would take as long again."""
    for number in range(200):
        (tree / f"more-{number:03}").write_bytes(b"x")
    with FakeKes(authority) as kes:
        (tmp_path / "server").mkdir()
        with TlsMinio(tmp_path / "server", authority, kes.environment) as server:
            settings = load_settings(
                storage=make_profile(server.profile, "aws:kms").model_copy(update={"kms_key_id": "k"}),
                transfer={"max_concurrent": 4},
            )
            bucket = make_bucket(server.profile)
            with S3Client(settings.storage) as client:
                client.put_bytes(bucket, "before", b"x")

                def seal() -> None:
                    kes.sealed = True

                plan = plan_transfer(str(tree), f"s3://{bucket}/t", settings=settings)
                report = run_transfer(plan, settings=settings, observer=once(1, seal))
                assert not report.ok
                assert len(report.failures) > len(list(tree.iterdir())) / 2
                assert [item.reason for item in report.failures if "key service" not in item.reason] == []
                assert sum(item.attempts for item in report.failures) <= len(report.failures) + 2  # s5cmd had two of them first
                assert kes.refused <= 40 * (4 + 4 + 2)  # MinIO asks some times for each of the few that were tried
                with pytest.raises(KeyServiceError, match="See to the KMS"):
                    client.get_bytes(bucket, "before")
                with pytest.raises(KeyServiceError, match="key service"):  # and again: nothing is tried at all
                    run_transfer(plan_transfer(str(tree), f"s3://{bucket}/u", settings=settings), settings=settings)
                assert list(client.list_objects(bucket, "u/")) == []


def test_a_server_without_encryption_is_told_before_anything_is_written(minio: MinioServer, bucket: str, tree: Path) -> None:
    settings = load_settings(storage=minio.profile.model_copy(update={"encryption": "AES256"}), **SMALL)
    with pytest.raises(StorageError, match="KMS is not configured"):
        run_transfer(plan_transfer(str(tree), f"s3://{bucket}/t", settings=settings), settings=settings)
    with S3Client(minio.profile) as client:
        assert list(client.list_objects(bucket)) == []


def test_so_is_one_that_takes_the_wish_and_does_nothing(tree: Path) -> None:
    with StandIn() as server:
        storage = {"endpoint_url": server.url, "access_key": "a", "secret_key": "b", "encryption": "AES256"}
        settings = load_settings(storage=storage, **SMALL)
        plan = plan_transfer(str(tree), "s3://bucket/t", settings=settings)
        with pytest.raises(ConfigurationError, match="does not encrypt: AES256 was asked for, and an object has no encryption"):
            run_transfer(plan, settings=settings)
        written = [request.target for request in server.requests if request.method == "PUT"]
        assert len(written) == 1
        assert written[0].startswith("/bucket/_incoming/")
        assert [request.target for request in server.requests if request.method == "DELETE"] == written


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encryption": "SSE-C"}, "go together"),
        ({"customer_key": CUSTOMER_KEY}, "go together"),
        ({"encryption": "SSE-C", "customer_key": "short"}, "32 random bytes"),
        ({"encryption": "AES256", "kms_key_id": "k"}, "kms_key_id is for"),
        ({"encryption": "SSE-C", "customer_key": CUSTOMER_KEY, "endpoint_url": "http://127.0.0.1:1"}, "must be https"),
        ({"encryption": "rot13"}, "AES256"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_no_key_is_shown(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        load_settings(storage={"endpoint_url": "https://127.0.0.1:1", **wrong})
    assert CUSTOMER_KEY not in str(told.value)
    assert "short" not in str(told.value)


def test_a_reader_without_the_key_is_told(keyed: S3Profile, target: str) -> None:
    with S3Client(make_profile(keyed, "SSE-C")) as owner, S3Client(keyed) as stranger:
        owner.put_bytes(target, "k", b"x")
        assert owner.get_bytes(target, "k") == b"x"
        with pytest.raises(OSError, match=r"400"):
            stranger.get_bytes(target, "k")
