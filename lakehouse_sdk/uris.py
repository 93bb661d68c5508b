"""Ground: addresses of objects, written the same way in Python, on the command line and in settings.

Belongs here: parsing and formatting of addresses. Must not: looking anything up. Read `parse_address` first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lakehouse_sdk.errors import AddressError

DEFAULT_PROFILE = ""
"""The profile name of an address without `profile@`: the settings' group `storage`."""

_SCHEME = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)$", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PROFILE = re.compile(r"[A-Za-z0-9_-]+")
_FORMS = "Write lakehouse://bucket/key, lakehouse://profile@bucket/key, s3://bucket/key or a local path."


@dataclass(frozen=True, slots=True, order=True)
class S3Address:
    """An object, or a prefix, on the S3 server of a profile.

    Attributes:
        bucket: Bucket name.
        key: Key or prefix exactly as S3 holds it, never URL-encoded; may be empty.
        profile: Name in `settings.profiles`; empty for `settings.storage`.
    """

    bucket: str
    key: str = ""
    profile: str = DEFAULT_PROFILE

    def __str__(self) -> str:
        owner = f"{self.profile}@" if self.profile else ""
        return f"lakehouse://{owner}{self.bucket}/{self.key}"

    def child(self, relative_key: str) -> S3Address:
        """The address of `relative_key` below this prefix; the prefix counts as a folder, `a` and `a/` are the same."""
        prefix = f"{self.key.removesuffix('/')}/" if self.key else ""
        return S3Address(self.bucket, f"{prefix}{relative_key}", self.profile)


@dataclass(frozen=True, slots=True, order=True)
class LocalAddress:
    """A file or folder on this machine; `path` is absolute."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


Address = S3Address | LocalAddress


def parse_address(text: str | Path | Address) -> Address:
    """Parse an address; an address value passes through unchanged.

    `lakehouse://[profile@]bucket/key` and `s3://bucket/key` (the default profile) name S3; `file:///path` and anything
    without a scheme name the local disk (`~` is expanded, relative paths are taken from the current folder). Keys are
    taken literally: `%20` in an address is a percent sign and two digits.

    Raises:
        AddressError: Unknown scheme, missing or invalid bucket name, invalid profile name, `file://` with a host.
    """
    if isinstance(text, S3Address | LocalAddress):
        return text
    if isinstance(text, Path):
        return LocalAddress(text.expanduser().absolute())
    match = _SCHEME.match(text)
    if match is None:
        if not text:
            raise AddressError("The address is empty.", hint=_FORMS)
        return LocalAddress(Path(text).expanduser().absolute())
    scheme, rest = match["scheme"].lower(), match["rest"]
    if scheme == "file":
        if not rest.startswith("/"):
            raise AddressError(f"{text!r} is not a file on this machine.", hint=f"file:// takes an absolute path. {_FORMS}")
        return LocalAddress(Path(rest))
    if scheme not in {"lakehouse", "s3"}:
        raise AddressError(f"{text!r} has the unknown scheme {scheme}://.", hint=_FORMS)
    authority, _, key = rest.partition("/")
    profile, at, bucket = authority.rpartition("@")
    if at and (scheme == "s3" or not _PROFILE.fullmatch(profile)):  # not shown: some tools put a key and secret there
        raise AddressError(
            f"What stands before @{bucket} in the {scheme}:// address is not the name of a profile.", hint=_FORMS
        )
    if not _BUCKET.fullmatch(bucket):
        raise AddressError(f"{text!r} names no valid bucket: {bucket!r}.", hint=_FORMS)
    return S3Address(bucket, key, profile)


def parse_s3_address(text: str | S3Address) -> S3Address:
    """`parse_address` for places where only S3 makes sense.

    Raises:
        AddressError: As `parse_address`, and for local paths.
    """
    address = parse_address(text)
    if isinstance(address, LocalAddress):
        raise AddressError(f"{str(text)!r} is a local path where an S3 address is needed.", hint=_FORMS)
    return address
