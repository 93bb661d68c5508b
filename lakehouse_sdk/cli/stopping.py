"""How a command ends before its end: Ctrl-C, SIGTERM, and a reader that has seen enough."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from lakehouse_sdk.transfer import CancelToken

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
NOBODY_READS = 128 + signal.SIGPIPE

_T = TypeVar("_T")
_Result_co = TypeVar("_Result_co", covariant=True)


class StoppedError(Exception):
    """A command was stopped and has ended in order.

    Attributes:
        sentence: How far it came and what to do, for people.
        exit_code: As the signal wants it.
    """

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code


class _Running(Protocol[_Result_co]):
    """Work in another thread, such as a `TransferRun`."""

    def cancel(self) -> object: ...

    def result(self) -> _Result_co: ...


def finish(running: _Running[_T]) -> tuple[_T, int]:
    """Wait for the result; Ctrl-C or SIGTERM cancel the work first. The second value is the signal's exit code, else 0."""
    try:
        return running.result(), 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit:  # as `sigterm_raises` makes it of SIGTERM
        code = TERMINATED
    running.cancel()
    return running.result(), code


def finish_call(work: Callable[[CancelToken], _T]) -> tuple[_T, int]:
    """As `finish`, of a function that obeys a cancel token."""
    from lakehouse_sdk.transfer import CancelToken  # noqa: PLC0415 (who only asks for help needs none)

    token = CancelToken()
    with ThreadPoolExecutor(1, thread_name_prefix="lakehouse-command") as pool:
        return finish(_Call(pool.submit(work, token), token))


class _Call(_Running[_T]):
    def __init__(self, future: Future[_T], token: CancelToken) -> None:
        self._future = future
        self._token = token

    def cancel(self) -> None:
        self._token.cancel()

    def result(self) -> _T:
        return self._future.result()


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Meanwhile SIGTERM raises SystemExit, so that all that must be cleaned up is."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(TERMINATED)


def flush_output() -> bool:
    """Write out what is still to be printed; False, and silence from now on, where nobody reads it any more."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
        return False
    return True


def tell(line: str) -> None:
    """Print a line of an error's; silence from now on where that cannot be, so that the exit code stays what it is."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def open_standard_streams() -> None:
    """Make printing safe: streams that the caller closed go nowhere, and a character that a terminal lacks is escaped.

    A closed one is opened first of all: the next file, of a database for example, would get its number, and what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (lives as long as we do)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as above)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
