"""Every setting, its default with the reason, and where its value came from.

Environment variables are `LAKEHOUSE_<GROUP>__<FIELD>`, for example `LAKEHOUSE_STORAGE__ENDPOINT_URL`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lakehouse_sdk.config.masking import mask_password
from lakehouse_sdk.config.paths import find_upwards
from lakehouse_sdk.config.profiles import S3Profile
from lakehouse_sdk.config.stack import find_stack
from lakehouse_sdk.errors import ConfigurationError

_PREFIX = "LAKEHOUSE_"
_FILE_NAME = "lakehouse.toml"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _DatabaseGroup(_Group):
    """A group whose `uri` may hold a password, which no repr and no JSON shows."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, mask_password(value) if isinstance(value, str) else value

    @field_serializer("uri", when_used="json-unless-none", check_fields=False)
    def _mask_uri(self, uri: str) -> str:
        return mask_password(uri)


class LakeSettings(_Group):
    """Where the lakehouse rests on the storage server."""

    bucket: str = "lakehouse"
    """Bucket of all that the SDK writes; created when missing."""
    bronze_prefix: str = "bronze"
    """Archives, mirrored key by key: `bronze/<source>/<key of the source>`."""
    warehouse_prefix: str = "warehouse"
    """Iceberg tables: `warehouse/<namespace>/<table>/`."""


class BinanceSettings(_Group):
    """Where Binance's public archive is read; the defaults are the real one."""

    endpoint_url: str = "https://s3.ap-northeast-1.amazonaws.com"
    """S3 address that lists and serves the bucket without credentials."""
    bucket: str = "data.binance.vision"
    """Bucket of the archive."""
    region: str = "ap-northeast-1"
    """Region of the bucket."""
    prefix: str = "data/"
    """Root of the published layout inside the bucket."""
    max_connections: int = Field(default=16, ge=1, le=64)
    """Requests under way at once; the archive is a public good."""

    def to_profile(self) -> S3Profile:
        """The anonymous profile that reads the archive; path style, because dots in the bucket name break TLS otherwise."""
        return S3Profile(endpoint_url=self.endpoint_url, region=self.region, anonymous=True)


class CoinbaseSettings(_Group):
    """Where Coinbase's candles and trades are read; the defaults are the real API."""

    api_url: str = "https://api.exchange.coinbase.com"
    """Address of the public Exchange REST API; no key is needed."""
    requests_per_s: float = Field(default=10.0, gt=0)
    """Requests a second of all threads together; the API allows 10 for one address, whoever else asks from there."""
    max_attempts: int = Field(default=5, ge=1, le=20)
    """How often a request is sent at most while it fails for a reason that passes."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds to wait for a connection, and for the next bytes of an answer."""


class FtxSettings(_Group):
    """A mirror of FTX's archives that the user names: the exchange closed in November 2022 and left no public bucket."""

    root: str | None = None
    """Where it is: `lakehouse://[profile@]bucket/prefix`, `s3://bucket/prefix` or a folder; None: there is none."""
    layout: Literal["tardis", "native-json", "ohlcv-csv"] = "tardis"
    """How it is laid out: as the vendor Tardis serves its downloads, as the API's answers in JSON lines, or as bars in CSV."""


class ArchiveSettings(_Group):
    """One group for each source of archives, and what holds for all."""

    max_month_mib: int = Field(default=512, ge=1)
    """Packed size, MiB, above which a month is left for its days where all of those are published; rows are held in memory."""
    binance: BinanceSettings = BinanceSettings()
    coinbase: CoinbaseSettings = CoinbaseSettings()
    ftx: FtxSettings = FtxSettings()


class CatalogSettings(_DatabaseGroup):
    """The Iceberg catalogue."""

    name: str = "lakehouse"
    """Its name, for clients that open it themselves."""
    uri: str | None = None
    """SQLAlchemy address, `sqlite:////path/catalog.db` or `postgresql+psycopg://…`, or `https://…` of an Iceberg REST
    catalogue, beside which `ledger.uri` is needed; needed as soon as a table is touched. A password in it is masked in every
    repr and in JSON."""
    warehouse: str | None = None
    """Warehouse of a REST catalogue, as its server calls it; None: the server's default."""
    token: SecretStr | None = None
    """Bearer token for a REST catalogue."""
    credential: SecretStr | None = None
    """Client id and secret for a REST catalogue, `id:secret`, of which it makes a token by OAuth2."""


class QualitySettings(_Group):
    """From where on the rules call a row wrong or odd; they apply to what is built from then on, or replayed."""

    rounding: float = Field(default=1e-6, ge=0, lt=1)
    """How far an amount may be from the product it is published beside, as a share of it and beyond that absolutely."""
    price_jump: float = Field(default=0.1, gt=0)
    """Largest change from a bar's close to the next one's open that is not flagged, as a share: 0.1 is 10 %."""
    open_interest_jump: float = Field(default=0.5, gt=0)
    """Largest change of the open interest from one row of metrics to the next that is not flagged, as a share."""
    halt_bars: int = Field(default=10, ge=2)
    """Bars in a row that are flat and without volume from which on each is flagged as a halt."""
    frozen_snapshots: int = Field(default=100, ge=2)
    """Snapshots of a band of the book whose depth never changes from which on each is flagged: 100 are 50 minutes."""
    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """Share of an archive's rows, or of a day's, above which rejected ones are an alarm: has the format changed?"""
    max_unpacked_gib: float = Field(default=8.0, gt=0)
    """Size, GiB, above which the file in an archive is not unpacked: rows are held in memory, of trades a few days."""
    funding_tolerance_s: float = Field(default=60.0, ge=0)
    """Seconds that a funding payment may come later than its hours say."""
    funding_rate: float = Field(default=0.05, gt=0)
    """Funding rate from which on, either way, a payment is flagged: 0.05 is 5 %."""


class TableSettings(_Group):
    """The Iceberg tables."""

    target_file_mib: int = Field(default=128, ge=1)
    """Size of the data files that compaction plans, MiB: large enough that a scan opens few, small enough to prune."""
    query_memory_mib: int | None = Field(default=None, ge=64)
    """Memory of one `lake.query`, MiB; None: half of this machine's. Beyond it rows go to the folder for temporary files."""
    query_temp_mib: int = Field(default=10_240, ge=0)
    """Most that one `lake.query` writes there, MiB; one that needs more ends with an error that says so."""
    exact: tuple[str, ...] = ()
    """Tables that hold decimals instead of float64, such as `silver.klines`; decides when a table is made, later the table."""


class LedgerSettings(_DatabaseGroup):
    """The ledger of archives."""

    uri: str | None = None
    """SQLAlchemy address of its database, as `catalog.uri`; None: the database of `catalog.uri`."""


class TransferSettings(_Group):
    """How bytes are moved."""

    max_concurrent: int = Field(default=32, ge=1, le=512)
    """Objects under way at once; 32 was as fast as 256 on two cores and keeps s5cmd's memory at 50 MiB."""
    part_size_mib: int = Field(default=50, ge=5, le=5120)
    """Part size of multipart uploads, MiB; the specification's default, and s5cmd's."""
    s5cmd_min_bytes: int = Field(default=4 * 1024**2, ge=0)
    """Objects from this size go up and down through s5cmd, smaller ones by own requests; 0: all through s5cmd. A line
    costs s5cmd more CPU time than a small object costs here, and a small download twice the requests."""
    max_deletes: int = Field(default=1000, ge=0)
    """Most objects that a sync with deletes may remove, unless the call says otherwise."""
    max_delete_percent: int = Field(default=10, ge=0, le=100)
    """Most objects that it may remove, in percent of those at the target; the smaller of the two limits holds."""
    staging_dir: Path | None = None
    """Folder that `staged` copies pass through; default: a fresh folder in the system's temporary directory."""
    staging_max_bytes: int = Field(default=2 * 1024**3, ge=1024**2)
    """Most bytes that rest in the staging folder at once; a larger transfer goes in several rounds."""
    max_attempts: int = Field(default=8, ge=1, le=20)
    """How often a request, a part or an object is tried at most while it fails for a reason that passes; the three do not
    multiply."""
    abandoned_after_h: float = Field(default=24.0, gt=0)
    """Hours after which an unfinished upload to a key that is to be written counts as abandoned, whoever began it, and is
    discarded; younger ones only where a run of this user on this machine began them and died."""
    max_bytes_per_s: int | None = Field(default=None, ge=64 * 1024)
    """Most bytes a second that pass this machine, in own requests; None: no limit. With a limit s5cmd, which knows none, is
    not used for uploads and downloads."""
    stream_memory_mib: int = Field(default=96, ge=16)
    """Memory for bytes on their way between two servers, MiB; with the interpreter and its modules that stays below 200."""
    single_copy_max_bytes: int = Field(default=5 * 1024**3, ge=5 * 1024**2, le=5 * 1024**3)
    """Larger objects are copied inside a server in parts; 5 GiB is what S3's CopyObject carries."""


SERVER_KINDS = ("auto", "minio", "seaweedfs")
"""What `servers.s3` may be; anything else is the path of a program."""


class ServerSettings(_Group):
    """Embedded servers."""

    s3: str = "auto"
    """Which S3 server `local()`, `lakehouse up` and the demo start: `minio` (built once where it is not there), `seaweedfs`, or
    the path of a program; `auto` takes MinIO where it is there already, else SeaweedFS."""


class PrefectSettings(_Group):
    """The Prefect server that flows report to."""

    api_url: str | None = None
    """Address of its API, for example `http://127.0.0.1:4200/api`; None: the one that Prefect's own settings name."""
    auth_string: SecretStr | None = None
    """What its API asks for, `user:password`; None: nothing, or what Prefect's own settings say."""


class Settings(BaseSettings):
    """All settings of one lakehouse; frozen, secrets masked in every repr."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        env_file_encoding="utf-8",
    )

    version: int = Field(default=1, ge=1, le=1)
    """Format of these settings; a file that says a later one is refused, because this release would misread it."""
    storage: S3Profile = S3Profile()
    profiles: dict[str, S3Profile] = Field(default_factory=dict)
    """Further S3 servers by name, for `lakehouse://name@bucket/key`."""
    lake: LakeSettings = LakeSettings()
    archives: ArchiveSettings = ArchiveSettings()
    catalog: CatalogSettings = CatalogSettings()
    ledger: LedgerSettings = LedgerSettings()
    quality: QualitySettings = QualitySettings()
    tables: TableSettings = TableSettings()
    transfer: TransferSettings = TransferSettings()
    servers: ServerSettings = ServerSettings()
    prefect: PrefectSettings = PrefectSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` passes in: it reads the sources itself, so that origins and values cannot disagree."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def profile(self, name: str) -> S3Profile:
        """The profile called `name`; empty means `storage`, `binance` is the public archive unless it is defined otherwise.

        Raises:
            ConfigurationError: No such profile.
        """
        if not name:
            return self.storage
        try:
            return {"binance": self.archives.binance.to_profile(), **self.profiles}[name]
        except KeyError:
            known = ", ".join(sorted({"binance", *self.profiles}))
            raise ConfigurationError(
                f"There is no profile {name!r} (known: {known}).",
                hint=f"Set {_PREFIX}PROFILES__{name.upper()}__… or add [profiles.{name}] to {_FILE_NAME}.",
            ) from None


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """One setting as it applies.

    Attributes:
        name: Dotted name, for example `storage.endpoint_url`.
        value: Its value; secrets are masked.
        origin: The place it came from, for example `environment` or `default`.
    """

    name: str
    value: object
    origin: str


def load_settings(*, config_file: Path | None = None, **arguments: Any) -> Settings:
    """Read the settings: arguments > environment > `.env` > `lakehouse.toml` > running local stack > default.

    `lakehouse.toml` and `.env` are searched from the current folder upwards; `LAKEHOUSE_CONFIG` names the former outright.
    The local stack counts only where no other source says anything about `storage`: credentials are never mixed.

    Args:
        config_file: The settings file, instead of searching for one.
        **arguments: Groups as dicts or models, for example `storage={"endpoint_url": "http://127.0.0.1:9000"}`.

    Raises:
        ConfigurationError: A value is invalid, a name unknown, a file unreadable; names the setting and where it was set.
    """
    layers = list(_read_layers(arguments, config_file))
    try:
        return Settings(**_merge(layers))
    except ValidationError as error:
        raise ConfigurationError(_describe(error, layers), hint=f"Correct it there; {_places()}") from None


def explain_settings(*, config_file: Path | None = None, **arguments: Any) -> list[SettingOrigin]:
    """Every setting with its value and origin, in the order of the documentation; raises as `load_settings`."""
    settings = load_settings(config_file=config_file, **arguments)
    layers = list(_read_layers(arguments, config_file))
    return [SettingOrigin(".".join(path), value, _origin(path, layers)) for path, value in _leaves(settings)]


_Layer = tuple[str, Mapping[str, Any]]


def _read_layers(arguments: Mapping[str, Any], config_file: Path | None = None) -> Iterator[_Layer]:
    """The sources with their names, strongest first."""
    layers: list[_Layer] = [("argument", {name: _plain(value) for name, value in arguments.items()})]
    layers.append(("environment", _read_variables("environment", lambda: EnvSettingsSource(Settings))))
    dotenv = find_upwards(".env")
    if dotenv is not None:
        layers.append(_found(dotenv, _read_variables(str(dotenv), lambda: DotEnvSettingsSource(Settings, env_file=dotenv))))
    named = config_file or os.environ.get(f"{_PREFIX}CONFIG")
    toml = Path(named).expanduser() if named else find_upwards(_FILE_NAME)
    if toml is not None:
        layers.append((str(toml), _read_toml(toml)) if named else _found(toml, _read_toml(toml)))
    if not any("storage" in values for _, values in layers):
        stack = find_stack()
        if stack is not None:
            layers.append((f"local stack {stack.path}", stack.to_settings()))
    return iter(layers)


def _found(file: Path, values: dict[str, Any]) -> _Layer:
    """What a file says that was found and not named: no program is started because of it.

    Raises:
        ConfigurationError: It names one.
    """
    wanted = values.get("servers", {}).get("s3") if isinstance(values.get("servers"), Mapping) else None
    if wanted is not None and wanted not in SERVER_KINDS:
        raise ConfigurationError(
            f"{file} names the program {str(wanted)!r} in servers.s3, and a file that is only found starts no program.",
            hint=f"Set {_PREFIX}SERVERS__S3 instead, or name the file: config_file=…, or {_PREFIX}CONFIG.",
        )
    return str(file), values


def _plain(value: object) -> object:
    """Models as dicts of what was set in them, so that they merge with weaker layers and tell where a value came from."""
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return value


def _read_variables(place: str, open_source: Callable[[], EnvSettingsSource]) -> dict[str, Any]:
    """The settings in the environment or a `.env` file; refuses a misspelt group, which pydantic would pass over in silence."""
    try:
        source = open_source()
        values = source()
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        raise ConfigurationError(
            f"The settings in {place} cannot be read: {error}.", hint=f"One setting is one variable: {_PREFIX}<GROUP>__<FIELD>."
        ) from error
    groups = {field.upper() for field in Settings.model_fields}
    for name in source.env_vars:
        group = name.upper().removeprefix(_PREFIX).partition("__")[0]
        if name.upper().startswith(_PREFIX) and group not in groups | {"CONFIG"}:
            known = ", ".join(sorted(groups))
            raise ConfigurationError(f"{name.upper()} ({place}) names no group of settings.", hint=f"Groups: {known}.")
    return {name: value for name, value in values.items() if name in Settings.model_fields}


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"The settings file {file} cannot be read: {error}.",
            hint="Correct or remove it, or point LAKEHOUSE_CONFIG at another.",
        ) from error


def _merge(layers: list[_Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for _, values in reversed(layers):
        _update(merged, values)
    return merged


def _update(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(target.get(name), dict):
            _update(target[name], value)
        else:
            target[name] = dict(value) if isinstance(value, Mapping) else value


def _leaves(model: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        yield from _leaf((*path, name), value)


def _leaf(path: tuple[str, ...], value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, BaseModel):
        yield from _leaves(value, path)
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _leaf((*path, name), member)
    else:
        yield path, mask_password(str(value)) if isinstance(value, SecretStr | Path | str) else value


def _origin(path: tuple[str, ...], layers: list[_Layer]) -> str:
    for place, values in layers:
        found: object = values
        for name in path:
            found = found.get(name, _ABSENT) if isinstance(found, Mapping) else _ABSENT
        if found is not _ABSENT:
            return place
    return "default"


_ABSENT = object()


def _describe(error: ValidationError, layers: list[_Layer]) -> str:
    """All faults in one message; values are left out, because one of them may be a secret."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False):
        path = tuple(str(part) for part in fault["loc"])
        message = re.sub(r"^Value error, ", "", fault["msg"])
        known = f"there is no such setting{_suggestion(path)}" if fault["type"] == "extra_forbidden" else message
        faults.append(f"{'.'.join(path)} ({_origin(path, layers)}): {known}")
    return f"The settings are not usable: {'; '.join(faults)}."


def _suggestion(path: tuple[str, ...]) -> str:
    """The names that could have been meant, for a misspelt last part of a path."""
    model: Any = Settings
    for part in path[:-1]:  # a profile's name is the user's own; what follows it is a field of the profile
        model = S3Profile if path[0] == "profiles" else model.model_fields[part].annotation
    known = sorted(model.model_fields)
    close = get_close_matches(path[-1], known, n=1)
    return f", did you mean {close[0]}?" if close else f" (there are {', '.join(known)})"


def _places() -> str:
    return f"looked at: arguments, {_PREFIX}* variables, .env, {_FILE_NAME}, the local stack."
