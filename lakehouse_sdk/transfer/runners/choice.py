"""Which runner carries which rows over a leg to or from a local folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import PlannedObject
from lakehouse_sdk.transfer.runners.native import NativeRunner
from lakehouse_sdk.transfer.runners.protocol import Leg, Outcomes, run_in_turn
from lakehouse_sdk.transfer.runners.s5cmd import S5cmdRunner


def carry_files(leg: Leg, context: RunContext, rows: Iterable[PlannedObject]) -> Outcomes:
    """Upload or download rows: large ones by s5cmd, small ones, and what s5cmd cannot do, by own requests.

    Outcomes as `Runner.run`; small objects come first. With a bandwidth limit, which s5cmd does not know, all go by own
    requests.
    """
    native = NativeRunner(leg, context)
    if context.settings.max_bytes_per_s is not None:
        yield from run_in_turn([native], rows)
        return
    least, large = context.settings.s5cmd_min_bytes, list[PlannedObject]()

    def find_small() -> Iterator[PlannedObject]:
        for row in rows:
            if row.size_bytes < least:
                yield row
            else:
                large.append(row)

    yield from run_in_turn([native], find_small())
    yield from run_in_turn([S5cmdRunner(leg, context), native], large)
