"""The two ends of a transfer, resolved to servers and credentials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.config import S3Profile, Settings
from lakehouse_sdk.errors import UsageError
from lakehouse_sdk.uris import Address, LocalAddress, S3Address, parse_address


@dataclass(frozen=True, slots=True)
class End:
    """One end: a prefix on a server, or a local folder.

    Attributes:
        address: Where it is.
        profile: Server and credentials; None for a local folder.
    """

    address: Address
    profile: S3Profile | None

    @property
    def bucket(self) -> str:
        """The bucket, empty for a local folder."""
        return self.address.bucket if isinstance(self.address, S3Address) else ""

    @property
    def prefix(self) -> str:
        """The prefix with its trailing slash, empty at the root of a bucket and for a local folder."""
        return f"{self.address.key.removesuffix('/')}/" if isinstance(self.address, S3Address) and self.address.key else ""

    @property
    def folder(self) -> str:
        """Absolute path of the local folder without trailing slash, `..` resolved; empty for S3."""
        return os.path.normpath(self.address.path).rstrip("/") if isinstance(self.address, LocalAddress) else ""


@dataclass(frozen=True, slots=True)
class Ends:
    """Source and target."""

    source: End
    target: End


def resolve_ends(source: str | Path | Address, target: str | Path | Address, settings: Settings) -> Ends:
    """Parse two addresses and find their profiles.

    Raises:
        AddressError: One is not an address.
        ConfigurationError: There is no such profile.
    """
    return Ends(_resolve(parse_address(source), settings), _resolve(parse_address(target), settings))


def _resolve(address: Address, settings: Settings) -> End:
    return End(address, settings.profile(address.profile) if isinstance(address, S3Address) else None)


def check_apart(ends: Ends) -> None:
    """Refuse a sync of a prefix with itself, or with a prefix inside the other: it would read what it writes.

    Raises:
        UsageError: The two ends overlap.
    """
    source, target = ends.source, ends.target
    if (source.profile is None) != (target.profile is None) or source.bucket != target.bucket:
        return
    if source.profile is None or target.profile is None:
        one, other = (f"{os.path.realpath(end.folder or '/').rstrip('/')}/" for end in (source, target))  # links lead anywhere
    elif source.profile.resolved_endpoint_url != target.profile.resolved_endpoint_url:
        return
    else:
        one, other = source.prefix, target.prefix
    if one.startswith(other) or other.startswith(one):
        kind = "folders" if source.profile is None else "prefixes"
        raise UsageError(
            f"{source.address} and {target.address} overlap: a copy would read what it writes.",
            hint=f"Name two {kind} of which none contains the other.",
        )
