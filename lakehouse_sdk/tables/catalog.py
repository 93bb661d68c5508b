"""The catalogue: which tables there are, and the one door through which rows enter them."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.refs import MAIN_BRANCH
from sqlalchemy.exc import IntegrityError

from lakehouse_sdk.config.masking import mask_password
from lakehouse_sdk.errors import ConfigurationError, NotFoundError, UsageError
from lakehouse_sdk.extras import needs_extra
from lakehouse_sdk.storage import S3Client
from lakehouse_sdk.tables.iceberg.connecting import connect_catalog
from lakehouse_sdk.tables.iceberg.refusals import storage_errors
from lakehouse_sdk.tables.layout.decimals import EXACT, exact_layout, is_exact
from lakehouse_sdk.tables.layout.formats import DATA_TABLES
from lakehouse_sdk.tables.layout.schemas import DECLARED, LAYOUTS, LEDGER, QUALITY, TableLayout
from lakehouse_sdk.tables.read.table import Table

if TYPE_CHECKING:
    from lakehouse_sdk.config import Settings
    from lakehouse_sdk.tables.iceberg.care.branches import BranchArchive
    from lakehouse_sdk.tables.iceberg.care.recovery import RecoveryReport
    from lakehouse_sdk.tables.iceberg.report import CommitReport, TableCommit
    from lakehouse_sdk.tables.judge.declared.schema import TableSchema
    from lakehouse_sdk.tables.judge.validation import CheckedBatch
    from lakehouse_sdk.tables.layout.source import SourceFile
    from lakehouse_sdk.tables.read.description import TableDescription
    from lakehouse_sdk.tables.read.query import QueryAsOf, QueryResult
    from lakehouse_sdk.tables.views.gold import GoldView
    from lakehouse_sdk.tables.views.search import SearchResult


def open_catalog(settings: Settings) -> TableCatalog:
    """Open the catalogue that the settings name; its two SQL tables are created when missing, the lake is not contacted.

    Raises:
        ConfigurationError: `catalog.uri` is not set or unusable, or the credentials of the storage are missing.
        ConnectError, AccessError: A REST server does not answer, or refuses token or credential.
    """
    warehouse = f"s3://{settings.lake.bucket}/{settings.lake.warehouse_prefix.strip('/')}"
    catalog = connect_catalog(settings, warehouse)
    return TableCatalog(catalog, warehouse, settings)


class TableCatalog:
    """The tables of one lakehouse; may be used from several threads, and by several processes at once.

    Open it with `open_catalog`. It holds connections until `close`, the end of a `with` block, or the end of its life.
    """

    def __init__(self, catalog: Catalog, warehouse: str, settings: Settings) -> None:
        self._catalog = catalog
        self._warehouse = warehouse
        self._settings = settings
        self._finalizer = weakref.finalize(self, catalog.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"TableCatalog({self._warehouse!r}, {mask_password(self._catalog.properties['uri'])!r})"

    def close(self) -> None:
        """Close the connections; the catalogue opens new ones when it is used again."""
        self._catalog.close()

    def list_tables(self) -> list[str]:
        """Full names of all tables, sorted."""
        with self.storage_errors():
            names = [name for namespace in self._catalog.list_namespaces() for name in self._catalog.list_tables(namespace)]
        return sorted(".".join(name) for name in names)

    def table(self, name: str) -> Table:
        """The table as it is now.

        Args:
            name: Full name, for example `silver.klines`.

        Raises:
            NotFoundError: No such table; lists those that exist.
        """
        return Table(name, self.load(name), _describe)

    def load(self, name: str) -> IcebergTable:
        """Pyiceberg's table as it is now, for work below the SDK's own `Table`; raises as `table`."""
        with storage_errors(self._catalog.properties), suppress(NoSuchTableError):
            if "." in name:
                return self._catalog.load_table(name)
        known = self.list_tables()
        hint = f"There are: {', '.join(known)}." if known else "There is no table yet; collect archives and build first."
        raise NotFoundError(f"There is no table {name!r}.", hint=hint)

    def recover(self, *, dry_run: bool = False) -> RecoveryReport:
        """Register every table below the warehouse that the catalogue does not know, at its newest state.

        Args:
            dry_run: True to look only.

        Raises:
            ConnectError, AccessError, StorageError: The lake cannot be read.
        """
        from lakehouse_sdk.tables.iceberg.care.recovery import RecoveryReport, recover_tables  # noqa: PLC0415 (once in a lake's life)

        with self.storage_errors(), S3Client(self._settings.storage) as client:
            found = recover_tables(self._catalog, self.list_tables(), self._warehouse, client, dry_run=dry_run)
        return RecoveryReport(tuple(found), dry_run)

    def storage_errors(self) -> AbstractContextManager[None]:
        """Inside it, what Arrow raises about the storage becomes the SDK's errors."""
        return storage_errors(self._catalog.properties)

    def search(self, text: str, *, limit: int = 50) -> SearchResult:
        """Tables, their columns and the series in them that fit some words, the best first.

        Reads the catalogue and `silver.quality`, no data: quick with thousands of series.

        Args:
            text: Words such as `btc 1m klines`, `BTC/USDT:USDT`, `funding rate`, `coinbase`; all should fit, and where none has
                all, those with the most are given.
            limit: Most matches.

        Raises:
            UsageError: There is no word.
            ConnectError, AccessError, StorageError: The storage cannot be read.
        """
        from lakehouse_sdk.tables.views.search import search_catalog  # noqa: PLC0415 (who only writes needs none of it)

        with storage_errors(self._catalog.properties):
            return search_catalog(self._catalog, self.list_tables(), text, limit)

    def query(
        self,
        sql: str,
        as_of: QueryAsOf | None = None,
        *,
        exact: bool = False,
        memory_mib: int | None = None,
        temp_mib: int = 10_240,
    ) -> QueryResult:
        """One SELECT over tables named in full; see `Lakehouse.query`, and `QueryLimits` for what it may take."""
        with needs_extra():
            from lakehouse_sdk.tables.read.query import QueryLimits, run_query  # noqa: PLC0415 (loads DuckDB)

        limits = QueryLimits(memory_mib, temp_mib)
        return run_query(sql, self.table, self.list_tables, as_of, exact=exact, limits=limits)

    def missing(self, files: Iterable[SourceFile]) -> list[SourceFile]:
        """Archives whose exact bytes have not been built to the end, in the order given; the others need no parsing.

        Reads `silver.quality`, which is written last. `commit` does not rely on it.
        """
        from lakehouse_sdk.tables.iceberg.commit import find_present  # noqa: PLC0415 (who only reads needs none of it)

        wanted = list(files)
        try:
            with storage_errors(self._catalog.properties):
                done = find_present(self._catalog.load_table(QUALITY), LAYOUTS[QUALITY], wanted)
        except NoSuchTableError:
            return wanted
        return [file for file in wanted if (file.key, file.sha256) not in done]

    def commit(self, batches: Iterable[CheckedBatch], branch: str = MAIN_BRANCH, *, anew: bool = False) -> CommitReport:
        """Commit checked archives: one Iceberg commit for each table, however many archives there are.

        Idempotent: an archive (key and SHA-256) whose rows are there is left alone, so a repeated or killed call changes
        nothing more. An archive with other bytes replaces the rows of its older revision in the same commit; one that cannot
        be read at all (`defect`) does not, the older rows stay. Nothing is visible before the end of `batches`; of several
        callers at once none loses and none doubles rows. Tables are committed one after the other, data before
        `silver.quality_days`, `silver.quarantine` and `silver.quality`; a call that ends between two of them is completed by
        the next.

        Args:
            batches: Taken one by one while rows are written, so a generator keeps memory bounded: about a million rows are
                held at once. Sort the archives by `SourceFile.build_order` to get few, large files.
            branch: Where the rows go in every table; one that does not exist begins at `main`.
            anew: True to put archives in place of their own rows, because the same bytes came out otherwise. An archive of
                which a table has another revision is left alone there. `silver.quarantine` comes last then: as long as an
                archive is in it, not all of its tables are known to be done.

        Raises:
            TableError: Two revisions of one archive are in the same call, or a commit lost its race too often.
            ConnectError, AccessError, StorageError: The lake cannot be read or written. Whatever is raised, also by `batches`:
                a table that was not committed by then is as it was.
        """
        from lakehouse_sdk.tables.iceberg.pending import PendingCommit  # noqa: PLC0415 (who only reads needs none of it)

        pending = PendingCommit(partial(self._load_for, branch=branch), branch, anew=anew)
        try:
            for batch in batches:
                with self.storage_errors():
                    pending.add(batch)
            with self.storage_errors():
                return pending.commit()
        except BaseException:
            pending.discard()
            raise

    def declare(self, name: str, schema: TableSchema | None) -> TableSchema:
        """The declaration of a table of a user's own files: the stored one, extended by further optional columns of `schema`.

        A table that does not exist yet is created by the first commit.

        Raises:
            UsageError: The table is declared otherwise, is the SDK's own, or there is no declaration at all.
        """
        from lakehouse_sdk.tables.iceberg.evolution import evolve  # noqa: PLC0415 (who only reads needs none of it)
        from lakehouse_sdk.tables.judge.declared.schema import TableSchema  # noqa: PLC0415

        try:
            table = self.load(name)
        except NotFoundError:
            if schema is None:
                raise UsageError(
                    f"There is no table {name!r} and no schema for it.", hint="Give schema= the first time."
                ) from None
            schema.to_layout(name)
            return schema
        stored = table.properties.get(DECLARED)
        if stored is None:
            raise UsageError(f"{name} does not take files of your own.", hint="Choose another name, like silver.my_signals.")
        known = TableSchema.from_json(stored)
        wanted = known if schema is None else known.extend(name, schema)
        if wanted != known:
            with self.storage_errors(), evolve(table, wanted.to_layout(name)).transaction() as transaction:
                transaction.set_properties({DECLARED: wanted.to_json()})
        return wanted

    def append_ledger(self, ledger_id: str, rows: list[dict[str, object]]) -> int:
        """Append changes of the ledger to `bronze.ledger`, those that it has already left out; returns how many were new.

        Args:
            ledger_id: Which ledger they are of.
            rows: Values by column name.

        Raises:
            TableError: Too many races were lost; nothing was appended.
            ConnectError, AccessError, StorageError: The lake cannot be written.
        """
        from lakehouse_sdk.tables.iceberg.ledger_table import append_events  # noqa: PLC0415 (who only reads needs none of it)

        with storage_errors(self._catalog.properties):
            return append_events(lambda: self._load_or_create(LAYOUTS[LEDGER]), ledger_id, rows)

    def save_view(self, name: str, view: GoldView) -> TableCommit:
        """Write a gold view into the table of this name; as `GoldView.save`."""
        from lakehouse_sdk.tables.views.gold.store import check_kind, layout_of, write_view  # noqa: PLC0415 (who only reads needs none of it)

        layout = layout_of(name, view)
        with suppress(NotFoundError):
            known = self.table(name)
            check_kind(name, known.properties, is_empty=known.snapshot_id is None, view=view)
        with storage_errors(self._catalog.properties):
            return write_view(lambda: self._load_or_create(layout), view)

    def note_terms(self, names: Iterable[str], source: str, terms_url: str) -> None:
        """Keep where a source states its terms in the properties of tables that hold its data; nothing where it is there."""
        name = f"lakehouse.terms.{source}"
        for table_name in names:
            with storage_errors(self._catalog.properties), suppress(NoSuchTableError, CommitFailedException):
                table = self._catalog.load_table(table_name)  # who loses a race leaves it to the next build
                if table.properties.get(name) != terms_url:
                    with table.transaction() as transaction:
                        transaction.set_properties({name: terms_url})

    def find_exact(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the tables that hold decimals: as they were made, and where they are not made yet, as the settings say.

        Raises:
            ConfigurationError: `tables.exact` names a table that takes no rows of archives.
        """
        for name in self._settings.tables.exact:
            if name not in DATA_TABLES:
                known = ", ".join(sorted(DATA_TABLES))
                raise ConfigurationError(
                    f"tables.exact names {name!r}, which is no table of data.", hint=f"There are: {known}."
                )
        return frozenset(name for name in names if self._is_exact(name))

    def _is_exact(self, name: str) -> bool:
        with storage_errors(self._catalog.properties), suppress(NoSuchTableError):
            return is_exact(self._catalog.load_table(name).properties)
        return name in self._settings.tables.exact

    def find_branch(self, branch: str) -> list[str]:
        """Full names of the tables that have this branch, in the order in which batches are committed."""
        from lakehouse_sdk.tables.iceberg.care.branches import has_branch  # noqa: PLC0415 (who only reads needs none of it)
        from lakehouse_sdk.tables.iceberg.pending import commit_order  # noqa: PLC0415

        with self.storage_errors():
            return [name for name in sorted(self.list_tables(), key=commit_order) if has_branch(self.load(name), branch)]

    def read_branch(self, branch: str) -> list[BranchArchive]:
        """The archives that this branch brings, and perhaps some that `main` has already."""
        from lakehouse_sdk.tables.iceberg.care.branches import read_archives  # noqa: PLC0415 (who only reads needs none of it)

        with self.storage_errors():
            return read_archives(self.load(QUALITY), branch)

    def forward_branch(self, branch: str) -> list[str]:
        """Let `main` be what the branch is, where nobody wrote to `main` since; full names of the tables where somebody did."""
        from lakehouse_sdk.tables.iceberg.care.branches import fast_forward  # noqa: PLC0415 (who only reads needs none of it)

        with self.storage_errors():
            return [name for name in self.find_branch(branch) if not fast_forward(partial(self.load, name), branch)]

    def drop_branch(self, branch: str) -> None:
        """Take the branch away from every table; what only it held expires like any other old state."""
        from lakehouse_sdk.tables.iceberg.care.branches import drop_branch  # noqa: PLC0415 (who only reads needs none of it)

        with self.storage_errors():
            for name in self.find_branch(branch):
                drop_branch(partial(self.load, name), branch)

    def _load_for(self, layout: TableLayout, branch: str) -> IcebergTable:
        from lakehouse_sdk.tables.iceberg.care.branches import open_branch  # noqa: PLC0415 (who only reads needs none of it)

        load = partial(self._load_or_create, layout)
        return load() if branch == MAIN_BRANCH else open_branch(load, branch)

    def _load_or_create(self, layout: TableLayout) -> IcebergTable:
        from lakehouse_sdk.tables.iceberg.evolution import evolve  # noqa: PLC0415 (who only reads needs none of it)

        with suppress(NoSuchTableError):
            table = self._catalog.load_table(layout.name)
            return evolve(table, exact_layout(layout) if is_exact(table.properties) else layout)
        exact = layout.name in DATA_TABLES and layout.name in self._settings.tables.exact
        layout = exact_layout(layout) if exact else layout
        with S3Client(self._settings.storage) as client:
            client.ensure_bucket(self._settings.lake.bucket)
        namespace, _, name = layout.name.partition(".")
        with suppress(NamespaceAlreadyExistsError, IntegrityError):  # the latter where another writer was quicker by a moment
            self._catalog.create_namespace(namespace)
        try:
            return self._catalog.create_table(
                layout.name,
                layout.schema,
                location=f"{self._warehouse}/{namespace}/{name}",
                partition_spec=layout.partition,
                sort_order=layout.sort_order,
                properties=layout.properties | ({EXACT: "true"} if exact else {}),
            )
        except TableAlreadyExistsError:
            return self._catalog.load_table(layout.name)


def _describe(table: Table, iceberg: IcebergTable) -> TableDescription:
    from lakehouse_sdk.tables.views.describe import describe_table  # noqa: PLC0415 (who only reads needs none of it)

    return describe_table(table, iceberg)
