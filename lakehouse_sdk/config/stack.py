"""The local stack that `lakehouse up` left running: what `servers` writes down and `connect()` finds again.

Guarantee: the file holds credentials and is only ever readable by its owner (0600); it is replaced atomically.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lakehouse_sdk.config.paths import cache_dir
from lakehouse_sdk.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class LocalStack:
    """What one running local stack is reached by.

    Attributes:
        path: Its data folder.
        endpoint_url: MinIO's S3 address.
        access_key: Generated access key; not in the repr.
        secret_key: Generated secret key; not in the repr.
        catalog_uri: SQLAlchemy address of the Iceberg catalogue.
        prefect_api_url: Address of the Prefect API, None where no Prefect server runs.
        prefect_auth_string: What that API asks for; not in the repr.
    """

    path: Path
    endpoint_url: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    catalog_uri: str
    prefect_api_url: str | None = None
    prefect_auth_string: str = field(default="", repr=False)

    def to_settings(self) -> dict[str, Any]:
        """The settings that lead to this stack."""
        prefect = {"api_url": self.prefect_api_url, "auth_string": self.prefect_auth_string or None}
        return {
            "storage": {
                "endpoint_url": self.endpoint_url,
                "access_key": self.access_key,
                "secret_key": self.secret_key,
            },
            "catalog": {"uri": self.catalog_uri},
            **({"prefect": prefect} if self.prefect_api_url else {}),
        }


def _pointer() -> Path:
    return cache_dir() / "current-stack.json"


def remember_stack(stack: LocalStack) -> None:
    """Make `stack` the one that `connect()` without arguments finds."""
    pointer = _pointer()
    pointer.parent.mkdir(parents=True, exist_ok=True)
    scratch = pointer.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({**asdict(stack), "path": str(stack.path)}, file)
    scratch.replace(pointer)


def forget_stack(path: Path) -> None:
    """Forget the stack in `path`, and a description that cannot be read; another stack that is remembered stays."""
    with contextlib.suppress(ConfigurationError):
        stack = find_stack()
        if stack is None or stack.path != path:
            return
    _pointer().unlink(missing_ok=True)


def find_stack() -> LocalStack | None:
    """The stack that `lakehouse up` started last, None where there is none; it may have died since.

    Raises:
        ConfigurationError: The file is there but unreadable.
    """
    return read_stack(_pointer())


def read_stack(file: Path) -> LocalStack | None:
    """A stack from the file that describes it, None where there is no such file.

    Raises:
        ConfigurationError: The file is there but unreadable.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return LocalStack(**{**values, "path": Path(values["path"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"The description of the local stack in {file} cannot be read: {error!r}.",
            hint="Run `lakehouse down`, or delete that file, then `lakehouse up`.",
        ) from error
