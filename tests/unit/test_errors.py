"""The error tree: what callers and fsspec users may rely on."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle

import pytest

from lakehouse_sdk import errors
from lakehouse_sdk.errors import LakehouseError, StorageError

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, LakehouseError) and value.__module__ == errors.__name__
]
BUILTINS = {
    "UsageError": ValueError,
    "AddressError": ValueError,
    "ConfigurationError": ValueError,
    "ConnectError": ConnectionError,
    "AccessError": PermissionError,
    "NotFoundError": FileNotFoundError,
    "ConflictError": FileExistsError,
    "CapacityError": OSError,
    "StorageError": OSError,
}
each = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


@each
def test_an_error_survives_pickling_whole(kind: type[LakehouseError]) -> None:
    """Prefect and process pools hand errors on as pickles."""
    error = kind("It broke.", hint="Mend it.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.message, again.hint) == ("It broke. Mend it.", "It broke.", "Mend it.")
    assert str(copy.copy(error)) == str(error)


@each
def test_text_is_the_message_and_then_the_next_step(kind: type[LakehouseError]) -> None:
    assert str(kind("It broke.")) == "It broke."
    assert str(kind("It broke.", hint="Mend it.")) == "It broke. Mend it."
    assert kind("It broke.").args == ("It broke.",)


@each
def test_wrong_use_exits_with_two_and_failure_with_one(kind: type[LakehouseError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, errors.UsageError) else 1)


@each
def test_the_picture_in_the_docstring_shows_every_class_with_its_builtin_parent(kind: type[LakehouseError]) -> None:
    line = next(line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__}" in f" {line}".replace("── ", " "))
    bases = [base for base in kind.__bases__ if base.__module__ == builtins.__name__ and base is not Exception]
    assert all(f"({base.__name__})" in line for base in bases)
    if kind is not LakehouseError:
        assert (
            f"exit {kind.exit_code}" in line or not issubclass(kind, errors.UsageError) or kind.__mro__[1] is errors.UsageError
        )


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_fsspec_users_catch_the_builtin_they_know(name: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(errors, name), builtin)


def test_a_storage_error_keeps_status_and_code_through_a_pickle() -> None:
    error = pickle.loads(pickle.dumps(StorageError("Slow.", status=503, code="SlowDown")))
    assert (error.status, error.code) == (503, "SlowDown")
