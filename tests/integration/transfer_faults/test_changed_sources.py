"""A source that is not any more what was planned: said for each object, and never a mixture at the target."""

from __future__ import annotations

import pytest
from transfer_witness import open_witness, read_folder, relative_keys

from lakehouse_sdk.transfer import Status, plan_transfer, run_transfer


@pytest.mark.parametrize("kind", ["inside", "another server", "download"])
def test_objects_changed_or_removed_between_plan_and_copy(here, there, lake, tmp_path, kind):
    before = here.fill({f"from/k{i:02}": f"as planned {i}".encode() for i in range(30)})
    target = {"inside": f"{here.address}/to", "another server": there.address, "download": tmp_path / "down"}[kind]
    plan = plan_transfer(f"{here.address}/from", target, settings=lake)
    witness = open_witness(here.profile)
    witness.put_object(Bucket=here.bucket, Key="from/k03", Body=b"AS PLANNED 3")  # the same size
    witness.put_object(Bucket=here.bucket, Key="from/k04", Body=b"longer than it was planned")
    witness.put_object(Bucket=here.bucket, Key="from/k05", Body=b"")
    witness.delete_object(Bucket=here.bucket, Key="from/k06")
    report = run_transfer(plan, settings=lake)

    def found() -> dict[str, str]:
        if kind == "download":
            return read_folder(tmp_path / "down")
        seen = (here if kind == "inside" else there).contents()
        return {key.removeprefix("to/"): md5 for key, md5 in seen.items() if not key.startswith("from/")}

    now = {key.removeprefix("from/"): md5 for key, md5 in here.contents().items() if key.startswith("from/")}
    planned = {key.removeprefix("from/"): md5 for key, md5 in before.items()}
    failed, there_now = {outcome.row.relative_key for outcome in report.failures}, found()
    assert failed == {"k03", "k04", "k05", "k06"}
    assert {outcome.status for outcome in report.failures} == {Status.FAILED}
    # What the server copied by itself may be there already as it is now: whole, and called failed.
    untouched = {key: md5 for key, md5 in there_now.items() if key not in failed}
    assert untouched == {key: md5 for key, md5 in planned.items() if key not in failed}
    assert all(there_now.get(key, now.get(key)) == now.get(key) for key in failed)
    run_transfer(plan_transfer(f"{here.address}/from", target, settings=lake), settings=lake).raise_for_failures()
    assert now.items() <= found().items()


def test_files_changed_or_removed_between_plan_and_upload(here, lake, tmp_path):
    source = tmp_path / "up"
    source.mkdir()
    for i in range(30):
        (source / f"k{i:02}").write_bytes(f"as planned {i}".encode())
    plan = plan_transfer(source, here.address, settings=lake)
    (source / "k04").write_bytes(b"longer than it was planned")
    (source / "k05").write_bytes(b"")
    (source / "k06").unlink()
    report = run_transfer(plan, settings=lake)
    assert {outcome.row.relative_key for outcome in report.failures} == {"k04", "k05", "k06"}
    now = read_folder(source)
    assert all(md5 == now[key] for key, md5 in here.contents().items())
    run_transfer(plan_transfer(source, here.address, settings=lake), settings=lake).raise_for_failures()
    assert here.contents() == now


def test_objects_replaced_while_the_copy_runs(here, there, lake):
    """Whatever is read at whatever moment, an object that is called done is one that the source held when it was planned."""
    planned = here.fill({f"k{i:03}": f"old {i:03}".encode() * 500 for i in range(120)})
    plan = plan_transfer(here.address, there.address, settings=lake)
    witness, changed = open_witness(here.profile), []

    def replace(event: object) -> None:
        if getattr(event, "done_objects", 0) and len(changed) < 20:
            key = f"k{119 - 6 * len(changed):03}"
            witness.put_object(Bucket=here.bucket, Key=key, Body=f"new {key[1:]}".encode() * 500)
            changed.append(key)

    report = run_transfer(plan, settings=lake, observer=replace)
    assert changed
    found = there.contents()
    outcomes = {outcome.row.relative_key: outcome.status for outcome in report.outcomes}
    assert outcomes.keys() == relative_keys(plan)
    for key, status in outcomes.items():
        if status is Status.DONE:
            assert found[key] == planned[key]
        else:
            assert key in changed
            assert key not in found
    run_transfer(plan_transfer(here.address, there.address, settings=lake), settings=lake).raise_for_failures()
    assert there.contents() == here.contents()
