"""`LakehouseFileSystem`: the class that fsspec finds for `lakehouse://`."""

from __future__ import annotations

import base64
import re
import sys
from functools import partial
from typing import Any, NoReturn

from fsspec.asyn import sync_wrapper
from fsspec.compression import compr
from fsspec.utils import infer_compression, stringify_path
from pydantic import ValidationError
from s3fs import S3FileSystem

from lakehouse_sdk.config import S3Profile, Settings
from lakehouse_sdk.config.aws_session import ClosedSession
from lakehouse_sdk.errors import ConflictError, NotFoundError, StorageError, UsageError, forget_frames
from lakehouse_sdk.filesystem.failures import translate_failure
from lakehouse_sdk.filesystem.file import CompressedWrite, LakehouseFile, whole_or_nothing
from lakehouse_sdk.filesystem.instances import InstancePerSettings
from lakehouse_sdk.filesystem.many import ManyObjects
from lakehouse_sdk.retry import RetryPolicy, call_async_with_retry, may_pass

_URL = re.compile(r"^(lakehouse|s3)://(?:([A-Za-z0-9_-]+)@)?")
_CONNECTION = frozenset({
    "anon", "client_kwargs", "config_kwargs", "endpoint_url", "key", "password", "secret", "session", "token", "use_ssl",
    "username",
})  # fmt: skip
_TOO_MANY = 429
_MOST_BYTES_OF_ONE_COPY = 5 * 1024**3
"""S3's limit for CopyObject."""
_RETRY = RetryPolicy(attempts=8, first_delay_s=0.2, max_delay_s=4.0)
_ENCRYPTION = {"ServerSideEncryption": "encryption", "SSEKMSKeyId": "kms_key_id", "SSECustomerKey": "customer_key"}
_KEPT_ENCRYPTION = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
_KEPT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata")


class LakehouseFileSystem(ManyObjects, S3FileSystem, metaclass=InstancePerSettings):  # type: ignore[misc]
    """Objects of one S3 server as files: `lakehouse://bucket/key`, or `lakehouse://profile@bucket/key`.

    Calls on one object are s3fs's, and so are its asynchronous methods; `ManyObjects` has the rest. This is a subclass of s3fs,
    not a wrapper around it, because much of fsspec's contract is in how its own methods call each other.

    Listings are not cached unless `use_listings_cache=True`: other programs write into the same buckets, and a listing that
    was true a minute ago is the commonest wrong answer of an S3 filesystem. Every bulk call drops a cache that was asked for.

    Errors are the SDK's and the builtin ones at once: a missing object is `NotFoundError` and `FileNotFoundError`.

    Args:
        settings: The lakehouse's settings, or a dict of their groups as `connect` takes them, which is all that JSON or a
            command line can carry; default: `load_settings()`, each time the class is called.
        profile: Name in `settings.profiles`; empty for `settings.storage`. `lakehouse://profile@bucket/key` sets it.
        settings_number: Not for callers; tells settings apart in fsspec's instance cache.
        **options: Options of `s3fs.S3FileSystem` that do not say how to connect, for example `default_block_size`.

    Raises:
        ConfigurationError: A setting is missing or unusable, or there is no such profile.
        UsageError: `options` say how to connect: that is for the settings.
    """

    protocol = "lakehouse"

    def __init__(
        self, settings: Settings | None = None, *, profile: str = "", settings_number: int = 0, **options: Any
    ) -> None:
        del settings_number
        refused = sorted(_CONNECTION & options.keys())
        if refused:
            raise UsageError(
                f"lakehouse:// takes its connection from the settings, not from {', '.join(refused)}.",
                hint="Pass settings=…, or use s3:// with these options.",
            )
        self.settings: Settings = settings  # type: ignore[assignment]  # InstancePerSettings loads them if need be
        self.profile = profile
        self._server = _take_encryption(self.settings.profile(profile), options)
        connection = self._server.to_fsspec()
        keys = [connection.pop(name, "") for name in ("key", "secret", "token")]
        if not self._server.anonymous:
            connection["session"] = ClosedSession((keys[0], keys[1], keys[2]))  # so that the credentials are in no attribute
        arguments = {**options.pop("s3_additional_kwargs", {}), **connection.pop("s3_additional_kwargs", {})}
        super().__init__(**connection, **{"use_listings_cache": False, "s3_additional_kwargs": arguments, **options})
        # Addresses name their server. Deleting on another one than was named would be worse than any error.
        self._strip_protocol = partial(_strip_own, profile)  # type: ignore[method-assign]

    def __repr__(self) -> str:
        owner = f"{self.profile}@" if self.profile else ""
        return f"<LakehouseFileSystem lakehouse://{owner} at {self.endpoint_url}>"

    def to_dict(self, *, include_password: bool = True) -> NoReturn:
        """Refused: JSON would hold the credentials in clear.

        Raises:
            UsageError: Always.
        """
        del include_password
        raise UsageError(
            "A lakehouse filesystem is not written as JSON: its credentials would stand there in clear.",
            hint="Write down the address, lakehouse://profile@bucket/key; settings are loaded where it is read. Or pickle it.",
        )

    # -- addresses ------------------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(member) for member in path]
        text = stringify_path(path)
        return _URL.sub("", text, count=1).rstrip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        match = _URL.match(path)
        return {"profile": match[2]} if match and match[2] else {}

    def unstrip_protocol(self, name: str) -> str:
        """The whole address of a path, profile included."""
        owner = f"{self.profile}@" if self.profile else ""
        return f"lakehouse://{owner}{self._strip_protocol(name)}"

    # -- one object -----------------------------------------------------------------------------------------------

    async def _call_s3(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "create_bucket" and kwargs.get("CreateBucketConfiguration", {}).get("LocationConstraint") == "us-east-1":
            del kwargs["CreateBucketConfiguration"]  # S3's first region is no location; some servers insist on it

        async def attempt() -> Any:
            try:
                return await super(LakehouseFileSystem, self)._call_s3(method, *args, **kwargs)
            except Exception as error:
                bucket, key = kwargs.get("Bucket", ""), kwargs.get("Key", "")
                translated = translate_failure(error, method, bucket, key, self.endpoint_url)
                forget_frames(error)
                if translated is None:
                    raise
                raise translated from error

        return await call_async_with_retry(attempt, _RETRY, may_pass=_was_never_repeated)

    call_s3 = sync_wrapper(_call_s3)

    async def _exists(self, path: str) -> bool:
        # s3fs answers False for a bucket that it could not ask about; not knowing is an error.
        bucket, key, _ = self.split_path(path)
        if not bucket or key:
            return bool(await super()._exists(path))
        try:
            await self._call_s3("head_bucket", Bucket=bucket)
        except NotFoundError:
            return False
        return True

    exists = sync_wrapper(_exists)

    async def _info(self, path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._info(path, *args, **kwargs)
        except FileNotFoundError as error:
            raise self._not_found(path, error) from error

    async def _ls(self, path: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super()._ls(path, *args, **kwargs)
        except FileNotFoundError as error:
            raise self._not_found(path, error) from error

    def _not_found(self, path: str, error: FileNotFoundError) -> NotFoundError:
        if isinstance(error, NotFoundError):
            return error
        return NotFoundError(f"There is no object or folder {self.unstrip_protocol(path)} at {self.endpoint_url}.")

    def open(self, path: str, mode: str = "rb", *args: Any, compression: str | None = None, **kwargs: Any) -> Any:
        """As fsspec's; a compressed write is whole when it is closed, and not when somebody collects its file."""
        if compression is None or "b" not in mode or "r" in mode:
            return super().open(path, mode, *args, compression=compression, **kwargs)
        name = infer_compression(path) if compression == "infer" else compression
        file = super().open(path, mode, *args, **kwargs)
        return file if name is None else CompressedWrite(compr[name](file, mode=mode[0]), file)

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> LakehouseFile:
        if "x" in mode and self.exists(path):  # the commit asks the server again, and that answer counts
            raise ConflictError(f"{self.unstrip_protocol(path)} exists already.", hint='Open it with "wb" to replace it.')
        file = super()._open(path, mode, **kwargs)
        file.__class__ = LakehouseFile  # s3fs offers no other place to name the class
        if file.readable():
            file.cache.fetcher = file._fetch_range  # noqa: SLF001 (the cache was made with s3fs's)
        file._handled_at_open = sys.exception()  # noqa: SLF001 (its own class)
        return file  # type: ignore[no-any-return]

    async def _get_file(self, rpath: str, lpath: str, **kwargs: Any) -> None:
        with whole_or_nothing(lpath) as scratch:
            await super()._get_file(rpath, scratch, **kwargs)

    async def _cp_file(self, path1: str, path2: str, preserve_etag: bool | None = None, **kwargs: Any) -> None:  # noqa: FBT001
        # s3fs copies from 150 MiB on in parts and drops content type and metadata; S3 needs parts only beyond 5 GiB.
        # And it drops the encryption, as CopyObject does for whoever does not ask for it.
        bucket, key, version = self.split_path(path1)
        asked = {"VersionId": version} if version else {}
        head = await self._call_s3("head_object", Bucket=bucket, Key=key, **asked, **self.req_kw)
        names = () if self._server.encryption else _KEPT_ENCRYPTION
        kept = {name: head[name] for name in names if head.get(name)}
        if preserve_etag:
            await super()._cp_file(path1, path2, preserve_etag=preserve_etag, **{**kept, **kwargs})
        elif head["ContentLength"] <= _MOST_BYTES_OF_ONE_COPY:
            await self._copy_basic(path1, path2, **{**kept, **kwargs})
        else:
            kept |= {name: head[name] for name in _KEPT_HEADERS if head.get(name)}
            await self._copy_managed(path1, path2, head["ContentLength"], **{**kept, **kwargs})


def _was_never_repeated(error: Exception) -> bool:
    """True for a 429 without a code in it: neither botocore nor s3fs sends such a request again, as they do most others."""
    return isinstance(error, StorageError) and error.status == _TOO_MANY and error.code in {"", "SlowDown"} and may_pass(error)


def _take_encryption(server: S3Profile, options: dict[str, Any]) -> S3Profile:
    """The profile with the encryption that `s3_additional_kwargs` asks for, so that calls of many objects know it too.

    Raises:
        UsageError: It cannot be had.
    """
    asked = dict(options.get("s3_additional_kwargs") or {})
    said = {field: asked.pop(name) for name, field in _ENCRYPTION.items() if name in asked}
    if "customer_key" in said:
        key = said["customer_key"]
        said["customer_key"] = base64.b64encode(key).decode() if isinstance(key, bytes) else key
        said["encryption"] = "SSE-C"
    if not said:
        return server
    options["s3_additional_kwargs"] = {name: value for name, value in asked.items() if not name.startswith("SSECustomer")}
    try:
        return S3Profile.model_validate({**{name: getattr(server, name) for name in server.model_fields_set}, **said})
    except ValidationError as error:
        faults = "; ".join(fault["msg"] for fault in error.errors(include_input=False, include_url=False))
        raise UsageError(
            f"s3_additional_kwargs ask for an encryption that cannot be had: {faults}.",
            hint="Set encryption, kms_key_id and customer_key of the profile instead.",
        ) from None


def _strip_own(profile: str, path: Any) -> Any:
    """As the class's `_strip_protocol`, for paths handed to one filesystem: refuses the address of another server."""
    if isinstance(path, list):
        return [_strip_own(profile, member) for member in path]
    text = stringify_path(path)
    match = _URL.match(text)
    if match and (match[2] or "") != profile:
        raise UsageError(
            f"{text!r} is on the server of {'profile ' + repr(match[2]) if match[2] else 'the default profile'}, "
            f"and this filesystem on that of {'profile ' + repr(profile) if profile else 'the default profile'}.",
            hint="Open the address with fsspec.open; to copy between two servers, use sync.",
        )
    return LakehouseFileSystem._strip_protocol(text)  # noqa: SLF001
