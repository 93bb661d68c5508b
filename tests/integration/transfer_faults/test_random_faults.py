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
        trial = make_trial(number)
        try:
            run_trial(trial, minio.profile, other_minio.profile, tmp_path / str(number))
        except AssertionError as error:
            raise AssertionError(
                f"Trial {number} ({trial.direction}, {trial.fault}, delete={trial.delete}, said ok: {trial.said_ok}): {error}"
            ) from error
        landed += trial.landed
    assert landed >= len(numbers) / 2, "too few faults struck before the run had ended"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(_FIRST, _FIRST + _IN_CI, _TOGETHER))
def test_whatever_strikes_nothing_is_lost_and_nothing_stays(
    first: int, minio: MinioServer, other_minio: MinioServer, tmp_path: Path
) -> None:
    run_many(range(first, first + _TOGETHER), minio, other_minio, tmp_path)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(_FIRST + _IN_CI, _FIRST + _IN_CI + _IN_DEEP, 50))
def test_a_thousand_of_them(first: int, minio: MinioServer, other_minio: MinioServer, tmp_path: Path) -> None:
    run_many(range(first, first + 50), minio, other_minio, tmp_path)
