"""A fault at a random moment: what is visible is old or new, ok means equal, the same call then finishes, nothing stays.

Each trial follows from its number; `make_trial(number)` says what it was. What is there is counted by botocore.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from fault_trial import make_trial, run_trial

from lakehouse_sdk.servers import MinioServer

_FIRST = int(os.environ.get("LAKEHOUSE_TRIALS_FROM", zlib.crc32(b"random faults") % 10_000))
"""Where the numbers begin; another start tries others."""
_IN_CI, _IN_DEEP, _TOGETHER = 30, 1000, 10


def run_many(numbers: range, minio: MinioServer, other_minio: MinioServer, tmp_path: Path) -> None:
    landed = 0
    for number in numbers:
        landed += run_one(number, minio, other_minio, tmp_path, early=False) or run_one(
            number, minio, other_minio, tmp_path, early=True
        )
    assert landed >= 0.8 * len(numbers), "too few faults struck before the run had ended"


def run_one(number: int, minio: MinioServer, other_minio: MinioServer, tmp_path: Path, *, early: bool) -> bool:
    """True where the fault struck before the run had ended."""
    trial = make_trial(number)
    trial.early = early
    try:
        run_trial(trial, minio.profile, other_minio.profile, tmp_path / f"{number}-{early}")
    except AssertionError as error:
        raise AssertionError(
            f"Trial {number} ({trial.direction}, {trial.fault}, delete={trial.delete}, said ok: {trial.said_ok}): {error}"
        ) from error
    return trial.landed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(_FIRST, _FIRST + _IN_CI, _TOGETHER))
def test_whatever_strikes_nothing_is_lost_and_nothing_stays(
    first: int, minio: MinioServer, other_minio: MinioServer, tmp_path: Path
) -> None:
    run_many(range(first, first + _TOGETHER), minio, other_minio, tmp_path)


@pytest.mark.deep
@pytest.mark.whole
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(_FIRST + _IN_CI, _FIRST + _IN_CI + _IN_DEEP, 50))
def test_a_thousand_of_them(first: int, minio: MinioServer, other_minio: MinioServer, tmp_path: Path) -> None:
    run_many(range(first, first + 50), minio, other_minio, tmp_path)
