"""The catalogue that the settings name: in an SQL database, or a REST server's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr
from pyiceberg.catalog import Catalog
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from lakehouse_sdk.config.database import is_web_address, parse_database_uri, refuse_database
from lakehouse_sdk.config.masking import Secret, mask_password
from lakehouse_sdk.errors import ConfigurationError
from lakehouse_sdk.tables.iceberg.file_io import LakeRestCatalog, LakeSqlCatalog
from lakehouse_sdk.tables.iceberg.refusals import storage_errors

if TYPE_CHECKING:
    from lakehouse_sdk.config import Settings


def connect_catalog(settings: Settings, warehouse: str) -> Catalog:
    """Pyiceberg's catalogue at `catalog.uri`, whose tables rest below `warehouse` in the lake.

    Raises:
        ConfigurationError: `catalog.uri` is not set or unusable, or the credentials of the storage are missing.
        ConnectError, AccessError: A REST server does not answer, or refuses token or credential.
    """
    properties = settings.storage.to_pyiceberg()
    if is_web_address(settings.catalog.uri):
        return _connect_rest(settings, properties)
    uri = parse_database_uri(settings.catalog.uri)
    properties |= {"uri": Secret(uri.render_as_string(hide_password=False)), "warehouse": warehouse}
    try:
        try:
            return LakeSqlCatalog(settings.storage, settings.catalog.name, **properties)
        except (OperationalError, IntegrityError, ProgrammingError):  # another process may just have created the SQL tables
            return LakeSqlCatalog(settings.storage, settings.catalog.name, **properties)
    except (SQLAlchemyError, ImportError) as error:
        raise refuse_database("The catalogue", uri, error) from error


def _connect_rest(settings: Settings, properties: dict[str, str]) -> Catalog:
    """A REST catalogue. Its files are read and written with the lake's own credentials, not with ones that it hands out."""
    chosen = settings.catalog
    if chosen.token is not None and chosen.credential is not None:
        raise ConfigurationError("catalog.token and catalog.credential are both set.", hint="Leave one of them out.")
    given: dict[str, str | SecretStr | None] = {
        "uri": chosen.uri,
        "warehouse": chosen.warehouse,
        "token": chosen.token,
        "credential": chosen.credential,
    }
    for name, value in given.items():
        if value is not None:
            properties[name] = Secret(value.get_secret_value()) if isinstance(value, SecretStr) else value
    with storage_errors(properties):
        try:
            return LakeRestCatalog(settings.storage, chosen.name, **properties)
        except ValueError as error:  # what answers is no such catalogue
            place = mask_password(chosen.uri or "")
            raise ConfigurationError(
                f"What answers at {place} is no Iceberg REST catalogue.", hint="catalog.uri is its address without /v1."
            ) from error
