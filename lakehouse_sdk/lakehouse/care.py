"""What the façade says about the care of tables: compaction, expiry, orphans, recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.events import Observer
    from lakehouse_sdk.jobs import CapacityReport, PublishReport, RetentionReport, UpgradeReport
    from lakehouse_sdk.tables.iceberg.care.compaction import CompactionReport
    from lakehouse_sdk.tables.iceberg.care.expiry import ExpiryReport
    from lakehouse_sdk.tables.iceberg.care.orphans import OrphanReport
    from lakehouse_sdk.tables.iceberg.care.recovery import RecoveryReport
    from lakehouse_sdk.tables.iceberg.care.relabel import RelabelReport


class CareCalls:
    """The part of `Lakehouse` that keeps tables small, quick and restorable."""

    settings: Settings
    _observer: Observer

    def compact(
        self, tables: Sequence[str] | None = None, *, target_bytes: int | None = None, dry_run: bool = False
    ) -> CompactionReport:
        """Make few files of the planned size out of the small ones of each partition; the rows stay the same.

        One commit for each partition, after its rows were counted and compared by hash. What others append or replace
        meanwhile stands, and a second run finds nothing to do. Memory is bounded by a million rows.

        Args:
            tables: Full names; None for all tables.
            target_bytes: Planned size of a file; default: `tables.target_file_mib` of the settings.
            dry_run: True to plan only.

        Raises:
            NotFoundError: No such table.
            TableError: A commit lost its race too often; what was done before stands.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.jobs import compact_tables  # noqa: PLC0415 (the stages load when they are used)

        return compact_tables(
            tables, settings=self.settings, target_bytes=target_bytes, dry_run=dry_run, observer=self._observer
        )

    def upgrade(self, *, dry_run: bool = False) -> UpgradeReport:
        """Bring a lake that an older release made to the format of this one; nothing is collected or read anew. Idempotent.

        Killed, the same call does the rest. A lake of a later release is refused.

        Args:
            dry_run: True to say only what would change.

        Raises:
            ConfigurationError: A later release made the lake, or no catalogue is set.
            TableError: A commit lost its race too often; what was done before stands.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.jobs import upgrade_lake  # noqa: PLC0415

        return upgrade_lake(settings=self.settings, dry_run=dry_run, observer=self._observer)

    def relabel(self, tables: Sequence[str] | None = None, *, dry_run: bool = False) -> RelabelReport:
        """Give every row the canonical name (`instrument`) that its symbol has by today's rules; nothing is collected anew.

        For after a release that reads symbols better. One commit for each file that changes; a second run changes nothing.

        Args:
            tables: Full names; None for all tables.
            dry_run: True to say only what would change.

        Raises:
            NotFoundError: No such table.
            TableError: A commit lost its race too often; what was done before stands.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.jobs import relabel_tables  # noqa: PLC0415

        return relabel_tables(tables, settings=self.settings, dry_run=dry_run, observer=self._observer)

    def expire(
        self,
        tables: Sequence[str] | None = None,
        *,
        older_than: timedelta | None = None,
        keep_last: int = 1,
        dry_run: bool = False,
    ) -> ExpiryReport:
        """Let old snapshots expire, and delete the files that only they needed; tags and branches keep theirs.

        Args:
            tables: Full names; None for all tables.
            older_than: Least age of what goes; default: 7 days.
            keep_last: Snapshots of each branch that stay whatever their age.
            dry_run: True to count what would go.

        Raises:
            NotFoundError: No such table.
            UsageError: Nothing would be left to read.
            TableError: A commit lost its race too often; what was done before stands.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.jobs import expire_snapshots  # noqa: PLC0415

        return expire_snapshots(
            tables,
            settings=self.settings,
            older_than=older_than,
            keep_last=keep_last,
            dry_run=dry_run,
            observer=self._observer,
        )

    def remove_orphans(
        self,
        tables: Sequence[str] | None = None,
        *,
        older_than: timedelta | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> OrphanReport:
        """Delete files below the locations of tables that none of their states, branches and tags names.

        Args:
            tables: Full names; None for all tables.
            older_than: Least age of what goes; default: 3 days.
            force: True to allow less than an hour, while nothing writes to the lake.
            dry_run: True to count only.

        Raises:
            NotFoundError: No such table.
            UsageError: The age is less than an hour, or the place of a table holds another one.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.jobs import remove_orphans  # noqa: PLC0415

        return remove_orphans(
            tables, settings=self.settings, older_than=older_than, force=force, dry_run=dry_run, observer=self._observer
        )

    def retain(
        self,
        source: str = "binance",
        *,
        markets: Iterable[str],
        data_types: Iterable[str],
        older_than: timedelta,
        symbols: Iterable[str] | None = None,
        intervals: Iterable[str] | None = None,
        dry_run: bool = False,
    ) -> RetentionReport:
        """Remove archives from bronze whose period ended so long ago and whose rows are in the tables.

        Ledger, hashes and checksum files stay. Collections leave such archives alone, unless they are asked with `restore` or
        the source publishes other bytes; coverage and `load` count them as there.

        Args:
            source: Name of a connector.
            markets: As in `discover`, as are `data_types`, `symbols` and `intervals`.
            data_types: Data types.
            older_than: Least time since the end of an archive's period.
            symbols: Native symbols or patterns, None for all.
            intervals: Bar intervals, None for all.
            dry_run: True to count what would go.

        Raises:
            ConfigurationError: `catalog.uri` is not set: the ledger lives there.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.archives import ArchiveQuery  # noqa: PLC0415
        from lakehouse_sdk.jobs import retain_bronze  # noqa: PLC0415

        query = ArchiveQuery(
            tuple(markets),
            tuple(data_types),
            symbols=None if symbols is None else tuple(symbols),
            intervals=None if intervals is None else tuple(intervals),
        )
        return retain_bronze(
            query, settings=self.settings, older_than=older_than, source=source, dry_run=dry_run, observer=self._observer
        )

    def capacity(self, *, capacity_bytes: int | None = None) -> CapacityReport:
        """What the lake holds by zone and table, how it grows, and when the server is full.

        Args:
            capacity_bytes: Bytes that the lake may take in all; default: the server is asked what is free, which MinIO tells.

        Raises:
            NotFoundError: The lake's bucket does not exist yet.
            ConnectError, AccessError, StorageError: The lake cannot be listed.
        """
        from lakehouse_sdk.jobs import measure_capacity  # noqa: PLC0415

        return measure_capacity(settings=self.settings, capacity_bytes=capacity_bytes, observer=self._observer)

    def publish(self, branch: str) -> PublishReport:
        """Bring a batch that a gate left on its branch to `main`; idempotent up to its end, after which the branch is gone.

        Where others wrote to a table meanwhile, the archives are built on top of what is there now.

        Raises:
            NotFoundError: No table has such a branch.
            Otherwise as `build`; the branch stays then.
        """
        from lakehouse_sdk.jobs import publish_batch  # noqa: PLC0415

        return publish_batch(branch, settings=self.settings, observer=self._observer)

    def discard(self, branch: str) -> tuple[str, ...]:
        """Give up a batch that a gate left on its branch; returns the tables that had it. The next build takes it again.

        Raises:
            NotFoundError: No table has such a branch.
        """
        from lakehouse_sdk.jobs import discard_batch  # noqa: PLC0415

        return discard_batch(branch, settings=self.settings)

    def recover(self, *, dry_run: bool = False) -> RecoveryReport:
        """Find every table below the warehouse and register those that the catalogue does not know, at their newest state.

        For a catalogue whose database was lost; tables that it knows are left alone.

        Args:
            dry_run: True to look only.

        Raises:
            ConfigurationError: No catalogue is set.
            ConnectError, AccessError, StorageError: Lake or catalogue cannot be used.
        """
        from lakehouse_sdk.tables import open_catalog  # noqa: PLC0415

        with open_catalog(self.settings) as catalog:
            return catalog.recover(dry_run=dry_run)
