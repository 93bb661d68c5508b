"""Where validation notebooks lie, and what they may be told."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, SecretStr

from lakehouse_sdk.errors import NotFoundError, UsageError


def _folder() -> Path:
    """`validation/` as shipped in the wheel, or as it lies beside the package in a checkout."""
    package = Path(str(files("lakehouse_sdk")))
    shipped = package / "_shipped" / "validation"
    return shipped if shipped.is_dir() else package.parent / "validation"


def list_notebooks() -> list[str]:
    """Names of the validation notebooks that come with the SDK, sorted."""
    return sorted(path.stem for path in _folder().glob("*.ipynb"))


def find_notebook(name: str) -> Path:
    """The notebook called `name`, or the one at the path `name` where that ends in `.ipynb`.

    Raises:
        NotFoundError: There is none; lists those that exist.
    """
    if name.endswith(".ipynb"):
        path = Path(name).absolute()
        if path.is_file():
            return path
    elif name in list_notebooks():
        return _folder() / f"{name}.ipynb"
    known = ", ".join(list_notebooks()) or "none"
    raise NotFoundError(f"There is no validation notebook {name!r}.", hint=f"Known: {known}; or the path of an .ipynb file.")


def is_shipped(notebook: Path) -> bool:
    """True for a notebook that comes with the SDK and is known by its name."""
    return notebook.parent == _folder()


def check_parameters(notebook: Path, parameters: Mapping[str, object]) -> dict[str, Any]:
    """The parameters as papermill writes them into the notebook; paths become text.

    Papermill itself only warns of an unknown name, and the notebook then runs on its default as if all were well.

    Raises:
        UsageError: The notebook names no kernel or has no such parameter, or a value cannot or must not be written into a
            notebook.
    """
    import papermill  # noqa: PLC0415 (heavy)

    try:
        known = papermill.inspect_notebook(str(notebook))
    except ValueError as error:  # papermill derives how to read the parameters from the kernel's language
        hint = "Open it in Jupyter, choose a Python kernel and save it."
        raise UsageError(f"The notebook {notebook.name} cannot be read: {error}", hint=hint) from error
    for name, value in parameters.items():
        if name not in known:
            hint = f"It takes: {', '.join(known) or 'none'}."
            raise UsageError(f"The notebook {notebook.name} has no parameter {name!r}.", hint=hint)
        if isinstance(value, SecretStr | SecretBytes):
            hint = "Values are saved in the executed notebook: pass the path of the settings file instead."
            raise UsageError(f"The parameter {name!r} is a secret.", hint=hint)
    return {name: _writable(name, value) for name, value in parameters.items()}


def _writable(name: str, value: object) -> object:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _writable(name, member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(name, member) for member in value]
    hint = "Use text, numbers, booleans, None, and lists or dicts of them."
    raise UsageError(f"The parameter {name!r} cannot be a {type(value).__name__}.", hint=hint)
