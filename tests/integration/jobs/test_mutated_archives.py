"""Archives damaged at random: so that the rules do not only find what their author planted."""

from __future__ import annotations

import hashlib
import os
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from mirrored_lake import read_table, rows_by_archive, settings_for, sha256_by_key
from mutations import mutate

from lakehouse_sdk.archives.ledger import LedgerState
from lakehouse_sdk.archives.sql_ledger import open_ledger
from lakehouse_sdk.config import Settings
from lakehouse_sdk.jobs import BuildReport, CollectReport
from lakehouse_sdk.lakehouse import Lakehouse
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.testing import ArchiveText, publish_archives, sample_text
from lakehouse_sdk.testing.archives import pack_archive

ROWS = 20
CLEAN, DAMAGED = 30, 150


def klines(number: int) -> ArchiveText:
    day = f"{date(2023, 1, 1) + timedelta(days=number)}"
    return ArchiveText("um", "klines", "BTCUSDT", day, sample_text("klines", "um", "BTCUSDT", day, ROWS), "1m")


def write_checksum(chance: random.Random, name: str, sha256: str) -> tuple[bytes, str | None]:
    """A checksum file as nobody should write it, and the hash that it publishes, None where it publishes none."""
    return chance.choice(
        [
            (b"", None),
            (b"\n", None),
            (f"{sha256}\n".encode(), None),
            (f"{sha256}  other-{name}\n".encode(), None),
            (f"{sha256[:-1]}  {name}\n".encode(), None),
            (f"{sha256}  {name}\n{sha256}  {name}\n".encode(), None),
            (chance.randbytes(96), None),
            (b"<html>" * 1000, None),
            (f"{sha256.upper()}  {name}\r\n".encode(), sha256),
            (f"\ufeff{sha256} *{name}".encode(), sha256),
            (f"{hashlib.sha256(b'other').hexdigest()}  {name}\n".encode(), hashlib.sha256(b"other").hexdigest()),
        ]
    )


class Damage:
    """What was published under the keys of damaged archives: the hash of the bytes, the hash published, what was done."""

    def __init__(self, chance: random.Random, client: S3Client, bucket: str) -> None:
        self.done: dict[str, str] = {}
        self.actual: dict[str, str] = {}
        self.published: dict[str, str | None] = {}
        for number in range(CLEAN, CLEAN + DAMAGED):
            archive = klines(number)
            packed, name = pack_archive(archive), f"{archive.stem}.zip"
            kind = chance.randrange(8)
            if kind == 0:
                done, data = "checksum file", packed
                content, published = write_checksum(chance, name, hashlib.sha256(data).hexdigest())
            else:
                if kind == 1:
                    done, data = "swapped", pack_archive(klines(number + 1))
                else:
                    done, data = mutate(chance, archive.stem, archive.text, packed)
                of = data if chance.random() < 0.5 else packed
                published = hashlib.sha256(of).hexdigest()
                content = f"{published}  {name}\n".encode()
            client.put_bytes(bucket, f"{archive.key}.CHECKSUM", content)
            client.put_bytes(bucket, archive.key, data)
            self.done[archive.key], self.published[archive.key] = done, published
            self.actual[archive.key] = hashlib.sha256(data).hexdigest()


@pytest.mark.timeout(900)
def test_random_damage_is_refused_with_a_reason_and_hurts_nothing_else(
    settings: Settings, other_minio: MinioServer, bucket: str
) -> None:
    seed = int(os.environ.get("MUTATION_SEED") or random.SystemRandom().randrange(2**32))
    print(f"MUTATION_SEED={seed} repeats this run")  # noqa: T201 (pytest shows it where the test fails)
    clean = {archive.key: archive for archive in map(klines, range(CLEAN))}
    publish_archives(other_minio.profile, bucket, clean.values())
    with S3Client(other_minio.profile) as client:
        damage = Damage(random.Random(seed), client, bucket)

    with Lakehouse(settings_for(settings, other_minio.endpoint_url, bucket)) as lake:
        collected, built = collect_and_build(lake)
        of_source = sha256_by_key(other_minio.profile, bucket)
        check_bronze(lake, collected, damage, {key: of_source[key] for key in clean})
        check_ledger(lake, set(clean) | set(damage.done), damage)
        check_rows(lake, built, clean)

        before = snapshot(lake)
        collected, built = collect_and_build(lake)
        assert (collected.transfer.bytes_copied, built.files, built.commit.rows_written) == (0, (), 0)
        assert snapshot(lake) == before


def collect_and_build(lake: Lakehouse) -> tuple[CollectReport, BuildReport]:
    collected = lake.collect(lake.discover(markets=("um",), data_types=("klines",)))
    return collected, lake.build(collected)


def check_bronze(lake: Lakehouse, collected: CollectReport, damage: Damage, clean: dict[str, str]) -> None:
    """Exactly those archives are visible whose bytes have the published hash."""
    right = {key: sha256 for key, sha256 in damage.actual.items() if damage.published[key] == sha256}
    held = sha256_by_key(lake.settings.storage, lake.settings.lake.bucket, "bronze/binance/")
    assert {key: sha256 for key, sha256 in held.items() if key.endswith(".zip")} == {**clean, **right}
    keys = [item.archive.key for item in collected.archives]
    assert len(keys) == len(set(keys)) == CLEAN + DAMAGED
    assert {item.archive.key for item in collected.problems} == set(damage.done) - set(right)
    assert all(item.reason for item in collected.problems)


def check_ledger(lake: Lakehouse, keys: set[str], damage: Damage) -> None:
    """One state each; what is refused says why, and what was refused for its hash says that."""
    with open_ledger(lake.settings) as ledger:
        entries = {entry.key: entry for entry in ledger.entries("binance")}
    assert set(entries) == keys
    for key, entry in entries.items():
        assert entry.state in {LedgerState.PUBLISHED, LedgerState.QUARANTINED}, (damage.done.get(key), entry)
        assert (entry.reason != "") == (entry.state is LedgerState.QUARANTINED), (damage.done.get(key), entry)
        if key in damage.done and damage.published[key] != damage.actual[key]:
            expected = "checksum-malformed" if damage.published[key] is None else "checksum-mismatch"
            assert entry.reason.startswith(expected), (damage.done[key], entry)


def check_rows(lake: Lakehouse, built: BuildReport, clean: dict[str, ArchiveText]) -> None:
    """Every row of a clean archive is there with its values, and every row of the others is somewhere."""
    expected = {}
    for key, archive in clean.items():
        rows = [line.split(",") for line in archive.text.decode().splitlines()[1:]]
        expected[key] = sorted((datetime.fromtimestamp(int(row[0]) / 1000, UTC), float(row[4])) for row in rows)
    found: dict[str, list[tuple[datetime, float]]] = {key: [] for key in clean}
    for key, opened, close in read_table(lake.settings, "silver.klines", "_source_key", "open_time", "close"):
        if key in found:
            found[key].append((opened, close))
    assert {key: sorted(rows) for key, rows in found.items()} == expected
    for file in built.files:
        assert file.rows.rows_in == file.rows.accepted + file.rows.duplicate + file.rows.quarantined, file
    accepted = {file.key: file.rows.accepted for file in built.files if file.rows.accepted}
    assert rows_by_archive(lake.settings) == accepted


def snapshot(lake: Lakehouse) -> object:
    """All that a second run must leave as it is."""
    with open_ledger(lake.settings) as ledger:
        entries = list(ledger.entries("binance"))
    with S3Client(lake.settings.storage) as client:
        objects = list(client.list_objects(lake.settings.lake.bucket))
    return entries, objects
