"""What every part of one run shares: settings, the cancel token, connections, and the counts for its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from lakehouse_sdk.config import S3Profile, TransferSettings
from lakehouse_sdk.retry import RetryPolicy, call_with_retry
from lakehouse_sdk.storage import DEFAULT_RETRY, S3Client
from lakehouse_sdk.transfer.context.journal import RunJournal
from lakehouse_sdk.transfer.context.partial import PartialProgress
from lakehouse_sdk.transfer.context.throttle import Throttle
from lakehouse_sdk.transfer.model.cancel import CancelToken

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Tally:
    """Counts of one run; fields as in `TransferReport`."""

    bytes_through_client: int = 0
    s5cmd_processes: int = 0
    s5cmd_commands: int = 0
    s3_requests_of_s5cmd: int = 0
    peak_staging_bytes: int = 0
    retries: int = 0
    requests_of_looks: int = 0
    """Requests of clients that lived for one look only."""


class RunContext:
    """Handed to strategies and runners; a context manager that closes its connections.

    Attributes:
        settings: How bytes are moved.
        retry: How often a request, a part or an object is tried; one budget for all three. A context that only looks is not
            patient: that nobody answers is said within seconds; what is under way outlives a server that is started again.
        cancel: Set by the caller when the run is to stop.
        halt: Set by the run itself when its threads are to stop, for whatever reason; ends all waiting.
        throttle: What bytes that pass this machine wait for.
        partial: How far objects are that have not ended.
        tally: Counts for the report.
        journal: What the run may leave at servers when it is killed.
    """

    def __init__(
        self,
        settings: TransferSettings,
        cancel: CancelToken | None = None,
        partial: PartialProgress | None = None,
        *,
        patient: bool = False,
    ) -> None:
        self.settings = settings
        self.retry = RetryPolicy(settings.max_attempts, first_delay_s=0.2, max_delay_s=4.0) if patient else DEFAULT_RETRY
        self.cancel = cancel or CancelToken()
        self.halt = CancelToken()
        self.throttle = Throttle(settings.max_bytes_per_s, self.halt)
        self.partial = partial or PartialProgress()
        self.tally = Tally()
        self.journal = RunJournal()
        self._clients: dict[S3Profile, S3Client] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.journal.close()
        for client in self._clients.values():
            client.close()

    def client(self, profile: S3Profile) -> S3Client:
        """Requests to the server of `profile`; the same client for the same profile."""
        with self._lock:
            if profile not in self._clients:
                self._clients[profile] = S3Client(profile, max_connections=self.settings.max_concurrent, retry=self.retry)
            return self._clients[profile]

    def is_stopped(self) -> bool:
        """True where nothing more is to begin."""
        return self.halt.cancelled or self.cancel.cancelled

    def interrupt(self) -> None:
        """Make all requests of this run that are under way fail at once; from now on nothing waits any more."""
        self.halt.cancel()
        for client in list(self._clients.values()):
            client.interrupt()

    def count_retry(self) -> None:
        """Note that something is tried once more; from any thread."""
        with self._lock:
            self.tally.retries += 1

    def try_again(self, work: Callable[[], _Result], *, note_retry: Callable[[], None], attempts: int | None = None) -> _Result:
        """`work`, tried again as `retry` says until the run halts; its last error is raised."""
        policy = self.retry if attempts is None else replace(self.retry, attempts=attempts)
        return call_with_retry(lambda _: work(), policy, note_retry=note_retry, wait=self.halt.wait)

    def count_bytes(self, size_bytes: int) -> None:
        """Note bytes that crossed this machine's network; from any thread."""
        with self._lock:
            self.tally.bytes_through_client += size_bytes

    @property
    def s3_requests(self) -> int:
        """Requests that this process sent in this run, repeated ones included."""
        return self.tally.requests_of_looks + sum(client.requests_sent for client in self._clients.values())

    @property
    def request_repeats(self) -> int:
        """Those of them that were repeated."""
        return sum(client.requests_repeated for client in self._clients.values())

    @property
    def request_repeats_of_thread(self) -> int:
        """As `request_repeats`, of the calling thread."""
        return sum([client.repeats_of_thread for client in self._clients.values()])

    @property
    def part_bytes(self) -> int:
        """Size from which s5cmd moves an object in parts."""
        return self.settings.part_size_mib * 1024**2
