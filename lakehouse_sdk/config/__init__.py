"""Ground: settings, endpoints, credentials, and where the SDK keeps its files.

Belongs here: reading settings (arguments > environment > `.env` > `lakehouse.toml` > running local stack > default), the one
credential object and its projection for each client. Must not: connecting to anything. Read `Settings` first, then `S3Profile`.
"""

from lakehouse_sdk.config.clients import StorageOptions, storage_options
from lakehouse_sdk.config.masking import mask_password
from lakehouse_sdk.config.paths import cache_dir, find_upwards
from lakehouse_sdk.config.profiles import S3Profile
from lakehouse_sdk.config.settings import (
    SERVER_KINDS,
    ArchiveSettings,
    BinanceSettings,
    CatalogSettings,
    CoinbaseSettings,
    LakeSettings,
    PrefectSettings,
    QualitySettings,
    ServerSettings,
    SettingOrigin,
    Settings,
    TransferSettings,
    explain_settings,
    load_settings,
)
from lakehouse_sdk.config.stack import LocalStack, find_stack, forget_stack, read_stack, remember_stack

__all__ = [
    "SERVER_KINDS",
    "ArchiveSettings",
    "BinanceSettings",
    "CatalogSettings",
    "CoinbaseSettings",
    "LakeSettings",
    "LocalStack",
    "PrefectSettings",
    "QualitySettings",
    "S3Profile",
    "ServerSettings",
    "SettingOrigin",
    "Settings",
    "StorageOptions",
    "TransferSettings",
    "cache_dir",
    "explain_settings",
    "find_stack",
    "find_upwards",
    "forget_stack",
    "load_settings",
    "mask_password",
    "read_stack",
    "remember_stack",
    "storage_options",
]
