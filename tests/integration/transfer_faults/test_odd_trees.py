"""Trees that other tools stumble over."""

from __future__ import annotations

import pytest
from transfer_witness import Place, check_honest, copy, read_folder, relative_keys

from lakehouse_sdk.transfer import Status, plan_transfer, run_transfer

LONGEST = "/".join(["k" * 250] * 4) + "/" + "z" * 20
NAMES = [
    LONGEST, "a b", "a+b", "a%20b", "100%", " lead", "trail ", "ü/ñ", "日本/語", "😀", "e\u0301", "nb\u00a0sp",
    "zero\u200bwidth", "tab\tx", "new\nline", "cr\rx", "del\x7f", ".hidden", ".d/.f", "-dash", "*star*", "q?x", "h#x",
    "a'b", 'a"b', "back\\slash", "$HOME", "<&>", "s3:", "deep/er/and/deep/er",
]  # fmt: skip


def bytes_of(key: str) -> bytes:
    return f"content of {key}".encode()


def end_of(kind: str, here: Place, there: Place) -> str:
    return f"{here.address}/to" if kind == "inside" else there.address


def found_at(kind: str, here: Place, there: Place) -> dict[str, str]:
    seen = (here if kind == "inside" else there).contents()
    return {key.removeprefix("to/"): md5 for key, md5 in seen.items() if not key.startswith("from/")}


@pytest.mark.parametrize("kind", ["inside", "another server"])
def test_odd_names(here, there, lake, kind):
    """A key of 1,024 bytes is the longest that S3 knows; below a prefix it may become too long for the target."""
    names = [name for name in NAMES if name != LONGEST]
    assert len(LONGEST.encode()) == 1024
    expected = here.fill({f"from/{name}": bytes_of(name) for name in names})
    report = copy(f"{here.address}/from", end_of(kind, here, there), lake)
    report.raise_for_failures()
    assert found_at(kind, here, there) == {key.removeprefix("from/"): md5 for key, md5 in expected.items()}
    assert plan_transfer(f"{here.address}/from", end_of(kind, here, there), settings=lake).totals.copy_objects == 0


def test_the_longest_key(here, there, lake):
    expected = here.fill({LONGEST: b"whole", "short": b"too"})
    copy(here.address, there.address, lake).raise_for_failures()
    assert there.contents() == expected
    plan = plan_transfer(here.address, f"{there.address}/deeper", settings=lake)
    assert plan.totals.conflict_objects == 1
    report = run_transfer(plan, settings=lake)
    assert report.count(Status.CONFLICT) == report.count(Status.DONE) == 1
    assert there.keys() == ["deeper/short", LONGEST, "short"]


@pytest.mark.parametrize("kind", ["inside", "another server"])
def test_a_name_that_is_object_marker_and_folder_at_once(here, there, lake, kind):
    """`a`, `a/` and `a/b`: MinIO lists them only in part, and what it lists arrives."""
    here.fill({"from/a/b": b"below", "from/a/": b"", "from/c/": b"", "from/c/d": b"below", "from/e": b"alone"})
    here.fill({"from/a": b"beside"})
    listed = {key.removeprefix("from/"): md5 for key, md5 in here.contents().items()}
    plan = plan_transfer(f"{here.address}/from", end_of(kind, here, there), settings=lake)
    assert relative_keys(plan) == set(listed)
    report = run_transfer(plan, settings=lake)
    check_honest(report, set(listed), listed, found_at(kind, here, there))
    report.raise_for_failures()
    assert found_at(kind, here, there) == listed


def test_a_name_that_is_file_and_folder_cannot_be_downloaded(here, lake, tmp_path):
    here.fill({"c/": b"", "c/d": b"below", "e": b"alone", "UP": b"1", "up": b"2"})
    plan = plan_transfer(here.address, tmp_path / "down", settings=lake)
    report = run_transfer(plan, settings=lake)
    assert {outcome.row.relative_key for outcome in report.failures} == {"UP", "up"}
    assert read_folder(tmp_path / "down").keys() == {"c/d", "e"}


@pytest.mark.parametrize("kind", ["inside", "another server", "download"])
def test_empty_objects(here, there, lake, tmp_path, kind):
    expected = here.fill({f"from/e{i:02}": b"" for i in range(30)})
    target = tmp_path / "down" if kind == "download" else end_of(kind, here, there)
    copy(f"{here.address}/from", target, lake).raise_for_failures()
    found = read_folder(tmp_path / "down") if kind == "download" else found_at(kind, here, there)
    assert found == {key.removeprefix("from/"): md5 for key, md5 in expected.items()}
    assert plan_transfer(f"{here.address}/from", target, settings=lake).totals.copy_objects == 0


def test_no_objects(here, there, lake, tmp_path):
    there.fill({"kept": b"what only the target holds"})
    for target in (there.address, tmp_path / "down"):
        report = copy(here.address, target, lake)
        assert report.ok
        assert report.outcomes == ()
    assert there.keys() == ["kept"]
