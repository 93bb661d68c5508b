"""The SQL database that catalogue and ledger share: its address, checked; not imported before one of them is used."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from lakehouse_sdk.errors import ConfigurationError, forget_frames

_SQLITE_WAIT_S = 30
"""How long a writer waits for SQLite's lock; a transaction holds it for milliseconds."""


def parse_database_uri(text: str | None) -> URL:
    """The address in `catalog.uri`, ready to connect to; the folder of an SQLite file is made.

    Raises:
        ConfigurationError: It is not set, is no address, or names no file.
    """
    if not text:
        raise ConfigurationError(
            "No catalogue is set, and tables and the ledger of archives need one.",
            hint="Set catalog.uri (LAKEHOUSE_CATALOG__URI), for example sqlite:////path/catalog.db, or start `lakehouse up`.",
        )
    try:
        uri = make_url(text)
        uri.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise ConfigurationError(
            f"catalog.uri is not a usable database address: {first_line(error)}.",
            hint="Write sqlite:////path/catalog.db or postgresql+psycopg://user@host/database.",
        ) from None
    if uri.get_backend_name() == "sqlite":
        if uri.database in {None, "", ":memory:"}:
            raise ConfigurationError("catalog.uri names no file.", hint="Write sqlite:////path/catalog.db.")
        _make_folder(Path(str(uri.database)).parent)
        uri = uri.update_query_dict({"timeout": str(_SQLITE_WAIT_S), **uri.query})
    return uri


def is_web_address(text: str | None) -> bool:
    """True for the address of a REST catalogue rather than of a database."""
    return (text or "").startswith(("http://", "https://"))


def first_line(error: BaseException) -> str:
    """What a database error says, without its SQL."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def refuse_database(what: str, uri: URL, error: Exception) -> ConfigurationError:
    """Why `what` cannot be opened in this database, and the next step: another address, or a driver to install."""
    forget_frames(error)  # the driver's hold the password
    hint = "Check catalog.uri: the database must exist or be creatable."
    if isinstance(error, ImportError):
        hint = "Install the database's driver."
        if uri.get_backend_name() == "postgresql":
            hint = "pip install 'lakehouse-sdk[postgres]', and let catalog.uri begin with postgresql+psycopg://."
    return ConfigurationError(f"{what} in {uri.render_as_string()} cannot be opened: {first_line(error)}.", hint=hint)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} of the catalogue cannot be made: {error.strerror}.", hint="Point catalog.uri elsewhere."
        ) from error
