"""The lakehouse itself: its files, its transfers and its tables; its archives are in `archives`."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from lakehouse_sdk.config import Settings, storage_options
from lakehouse_sdk.display import html_card
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.events import Observer, ignore_events
from lakehouse_sdk.lakehouse.archives import ArchiveCalls
from lakehouse_sdk.lakehouse.care import CareCalls
from lakehouse_sdk.lakehouse.gold import GoldCalls
from lakehouse_sdk.lakehouse.ingest import IngestCalls
from lakehouse_sdk.lakehouse.quality import QualityCalls
from lakehouse_sdk.lakehouse.reading import ReadingCalls
from lakehouse_sdk.uris import Address, LocalAddress, S3Address, parse_address

if TYPE_CHECKING:
    from lakehouse_sdk.filesystem import LakehouseFileSystem
    from lakehouse_sdk.servers import LocalServers
    from lakehouse_sdk.tables import Table, TableCatalog
    from lakehouse_sdk.transfer import (
        CompareMode,
        Selection,
        StrategyName,
        TransferPlan,
        TransferReport,
        TransferRun,
        VerifyMode,
        VerifyReport,
    )


class Lakehouse(ArchiveCalls, CareCalls, GoldCalls, IngestCalls, QualityCalls, ReadingCalls):
    """One lakehouse: its files, its transfers, its archives and its tables.

    A context manager: leaving it stops the servers that `local` started for it; one that `connect` returned owns none.

    Args:
        settings: What it is reached by.
        observer: Told of every event of its work; default: nobody.
        servers: Servers that live as long as it does.
    """

    def __init__(self, settings: Settings, *, observer: Observer = ignore_events, servers: LocalServers | None = None) -> None:
        self.settings = settings
        self._observer = observer
        self._servers = servers

    def __repr__(self) -> str:
        return f"Lakehouse({self.settings.storage.resolved_endpoint_url}, bucket={self.settings.lake.bucket!r})"

    def _repr_html_(self) -> str:
        facts = {
            "server": self.settings.storage.resolved_endpoint_url,
            "bucket": self.settings.lake.bucket,
            "catalogue": (self.settings.catalog.uri or "none").partition("://")[0],
        }
        return html_card("Lakehouse", facts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the servers that belong to this lakehouse; safe to call twice, nothing to do after `connect`."""
        if self._servers is not None:
            self._servers.stop()

    @cached_property
    def fs(self) -> LakehouseFileSystem:
        """The lakehouse as an fsspec filesystem: `lake.fs.ls("bucket")`, `filesystem=lake.fs` for pyarrow."""
        from lakehouse_sdk.filesystem import LakehouseFileSystem  # noqa: PLC0415 (loads s3fs)

        return LakehouseFileSystem(settings=self.settings)

    def storage_options(self, client: str) -> dict[str, Any]:
        """What `client` needs to reach the lake's server itself; the repr masks the secrets.

        Args:
            client: `polars`, `pandas`, `pyarrow`, `pyiceberg`, `duckdb` and others; a wrong name lists them all.

        Raises:
            UsageError: Unknown client.
        """
        return storage_options(self.settings, client)

    def plan(
        self,
        source: str | Path | Address,
        target: str | Path | Address,
        *,
        selection: Selection | None = None,
        compare: CompareMode = "auto",
        delete: bool = False,
        max_deletes: int | None = None,
        keep_skips: bool = False,
    ) -> TransferPlan:
        """What `sync` would do, object by object and why: copy, skip, delete or conflict; nothing moves until its `run`.

        Args:
            source: Prefix or folder: `lakehouse://[profile@]bucket/prefix`, `s3://…` or a local folder.
            target: As `source`.
            selection: Which objects it is about, as in `sync`.
            compare: When an object counts as already there, as in `sync`.
            delete: True for deletes of what only `target` holds.
            max_deletes: Most deletes, as in `sync`.
            keep_skips: True for a row for each skipped object too; otherwise they are only counted.

        Raises:
            AddressError, ConfigurationError: An address or its profile is wrong.
            UsageError: One end contains the other.
            ConnectError, AccessError, NotFoundError: An end cannot be listed.
            DeleteRefusedError: With `delete`, the source cannot be listed.
        """
        from lakehouse_sdk.transfer import SELECT_ALL, plan_transfer  # noqa: PLC0415

        return plan_transfer(
            source,
            target,
            settings=self.settings,
            selection=selection or SELECT_ALL,
            compare=compare,
            delete=delete,
            max_deletes=max_deletes,
            keep_skips=keep_skips,
            observer=self._observer,
        )

    def load_plan(self, path: str | Path) -> TransferPlan:
        """A plan that `TransferPlan.save` wrote, here or on another machine, ready to run with the profiles of this lakehouse.

        Raises:
            NotFoundError: There is no such file.
            IntegrityError: Not a saved plan, or written by a later version of the SDK.
        """
        from lakehouse_sdk.transfer import PlanDriver, TransferPlan  # noqa: PLC0415

        return TransferPlan.load(path, driver=PlanDriver(self.settings, self._observer))

    @overload
    def sync(
        self,
        source: str | Path | Address,
        target: str | Path | Address,
        *,
        selection: Selection | None = ...,
        compare: CompareMode = ...,
        strategy: StrategyName = ...,
        delete: bool = ...,
        max_deletes: int | None = ...,
        verify: VerifyMode = ...,
        manifest: bool = ...,
        wait: Literal[True] = ...,
    ) -> TransferReport: ...

    @overload
    def sync(
        self,
        source: str | Path | Address,
        target: str | Path | Address,
        *,
        selection: Selection | None = ...,
        compare: CompareMode = ...,
        strategy: StrategyName = ...,
        delete: bool = ...,
        max_deletes: int | None = ...,
        verify: VerifyMode = ...,
        manifest: bool = ...,
        wait: Literal[False],
    ) -> TransferRun: ...

    def sync(
        self,
        source: str | Path | Address,
        target: str | Path | Address,
        *,
        selection: Selection | None = None,
        compare: CompareMode = "auto",
        strategy: StrategyName = "auto",
        delete: bool = False,
        max_deletes: int | None = None,
        verify: VerifyMode = "auto",
        manifest: bool = False,
        wait: bool = True,
    ) -> TransferReport | TransferRun:
        """Copy the contents of prefix `source` into prefix `target` where they are missing or differ.

        Each object appears under its name complete or not at all, and counts as done when the target confirmed it. Interrupted
        (Ctrl-C, a kernel's stop button) it ends within a second or two and leaves nothing half-done; the same call finishes
        the rest.

        Args:
            source: `lakehouse://[profile@]bucket/prefix`, `s3://…` or a local folder.
            target: As `source`.
            selection: Which objects it is about: patterns, sizes, times; default: all.
            compare: When an object counts as already there: `auto` by size and ETag where the ETags can be compared, else by
                SHA-256 where both servers recorded one, else by size and time; `size-time`; `sha256`; `always` copies.
            strategy: `auto` chooses by what is true of the two ends and says why in the report.
            delete: True to delete what only `target` holds, after every copy succeeded.
            max_deletes: Most deletes, instead of the settings' limits (the smaller of 1,000 and 10 %).
            verify: Proof after the copy beyond what costs no reading: `etag`, `sha256-sample` (one object of fifty is read
                back), `sha256` (all are).
            manifest: True to keep the outcomes as a Parquet file below `_manifests/` in the lake; the report says where.
            wait: False to return at once with a run that can be watched, cancelled and waited for.

        Raises:
            DeleteRefusedError: There would be more deletes; nothing was copied.
            As `plan`; objects that failed are in the report (`raise_for_failures`).
        """
        from lakehouse_sdk.jobs import SyncOptions, start_sync, sync  # noqa: PLC0415
        from lakehouse_sdk.transfer import SELECT_ALL  # noqa: PLC0415

        options = SyncOptions(
            strategy,
            selection or SELECT_ALL,
            compare,
            delete=delete,
            max_deletes=max_deletes,
            verify=verify,
            manifest=manifest,
        )
        if wait:
            return sync(source, target, settings=self.settings, options=options, observer=self._observer)
        return start_sync(source, target, settings=self.settings, options=options, observer=self._observer)

    def verify(
        self,
        source: str | Path | Address,
        target: str | Path | Address,
        *,
        mode: VerifyMode = "auto",
        selection: Selection | None = None,
    ) -> VerifyReport:
        """Whether `target` holds what `source` holds; changes nothing.

        Args:
            source: Prefix or folder that counts as right.
            target: Prefix or folder that should hold the same.
            mode: How much proof: `auto` reads nothing back; `etag`, `sha256-sample`, `sha256` as in `sync`. With `auto` a file
                and an object are compared by size alone: `unproven` of the report counts them.
            selection: Which objects it is about.

        Raises:
            As `plan`; what is missing or differs is in the report (`raise_for_findings`).
        """
        from lakehouse_sdk.transfer import SELECT_ALL, verify_transfer  # noqa: PLC0415

        return verify_transfer(
            source,
            target,
            settings=self.settings,
            mode=mode,
            selection=selection or SELECT_ALL,
            observer=self._observer,
        )

    def copy(self, source: str | Path | Address, target: str | Path | Address) -> None:
        """Copy by fsspec's published rules (a trailing slash, an existing target folder and globs decide where things go).

        Raises:
            NotFoundError: There is nothing at `source`.
            UsageError: Both are local, or they are on the servers of two profiles: that is for `sync`.
        """
        from lakehouse_sdk.filesystem import LakehouseFileSystem  # noqa: PLC0415 (loads s3fs)

        origin, destination = parse_address(source), parse_address(target)
        remote = destination if isinstance(origin, LocalAddress) else origin
        if isinstance(remote, LocalAddress):
            raise UsageError(f"{source} and {target} are both on this machine.", hint="Copy them with the tools of the system.")
        if isinstance(destination, S3Address) and destination.profile != remote.profile:
            raise UsageError(f"{source} and {target} are on the servers of two profiles.", hint="Use sync for that.")
        fs = LakehouseFileSystem(self.settings, profile=remote.profile)
        slash = "/" if str(target).endswith("/") else ""
        to = f"{str(destination).removesuffix('/')}{slash}"
        at = f"{origin}{'/' if isinstance(origin, LocalAddress) and str(source).endswith('/') else ''}"
        if isinstance(origin, LocalAddress):
            fs.put(at, to, recursive=True)
        elif isinstance(destination, LocalAddress):
            fs.get(at, to, recursive=True)
        else:
            fs.copy(at, to, recursive=True)

    @cached_property
    def catalog(self) -> TableCatalog:
        """The Iceberg catalogue of this lakehouse."""
        from lakehouse_sdk.tables import open_catalog  # noqa: PLC0415

        return open_catalog(self.settings)

    def table(self, name: str) -> Table:
        """A table by its full name, for example `silver.klines`.

        Raises:
            NotFoundError: No such table; lists those that exist.
        """
        return self.catalog.table(name)
