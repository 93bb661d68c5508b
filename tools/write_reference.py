"""Write the pages of `docs/reference` that are made from the code; a test holds them up to date.

Guarantee: the pages depend on the code alone, not on the machine, its settings or its terminal.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from lakehouse_sdk.cli.app import app
from lakehouse_sdk.cli.lazy import COMMANDS, load_command
from lakehouse_sdk.config import S3Profile, Settings

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"

SETTINGS_HEAD = """\
# Settings

Made from the code by `make docs`.

A value is looked for in this order: argument of `connect()` or `local()`, environment variable, `.env`, `lakehouse.toml`, the
local stack that `lakehouse up` left running, default. `.env` and `lakehouse.toml` are searched from the current folder upwards;
`LAKEHOUSE_CONFIG` names another settings file. `lakehouse config show --origin` says for each value where it came from.

The local stack counts only where no other source says anything about `storage`, so that credentials are never mixed.
"""

CLI_HEAD = """\
# Command line

Made from the code by `make docs`.

| exit code | meaning |
|---|---|
| 0 | All is right. |
| 1 | Something is not as it should be: objects that are not at the target, findings of `verify`, failed checks, a bucket, \
object or server that is not there, deletes beyond their limit. |
| 2 | The call is wrong: a command, option, address or setting. Nothing was done. |
| 130 | Interrupted by Ctrl-C; 143: ended by SIGTERM. What was begun has been ended in order; the same command does the rest. |
| 141 | Nobody reads the output any more (`lakehouse ls … \\| head`). |

Results go to standard output, progress and errors to standard error. With `--json` every line is one JSON object, and those of
`plan`, `sync`, `cp`, `verify`, `ls`, `du` and `rm` say what they are in `type`: `object`, `folder`, `bucket` or `finding`, and
at the end a `summary`. Keys with control characters are printed with escapes (`new\\nline`), and in JSON as they are. `--debug`
before the command adds the traceback of an error.
"""


def main() -> int:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in render_pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    return 0


def render_pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "settings.md": "\n".join([SETTINGS_HEAD, *render_settings()]),
        "cli.md": "\n".join([CLI_HEAD, *render_command(load_application(), "lakehouse")]),
    }


def render_settings() -> Iterator[str]:
    """One section for each group, the S3 profile once."""
    for name, field in Settings.model_fields.items():
        if field.annotation is S3Profile:
            yield from render_group(name, S3Profile, "The S3 server of the lakehouse.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from render_group(name, field.annotation, first_paragraph(field.annotation))
        elif field.annotation is int:
            variable, said = f"LAKEHOUSE_{name.upper()}", read_field_docs(Settings)[name]
            yield f"`{name}` (`{variable}`, default {render_default(field)}): {said}\n"
        else:
            yield f"## {name}\n\n{read_field_docs(Settings)[name]} The fields are those of `storage`:"
            yield f"`LAKEHOUSE_{name.upper()}__<NAME>__<FIELD>`, or a table `[{name}.<name>]`.\n"


def render_group(name: str, model: type[BaseModel], about: str) -> Iterator[str]:
    """A heading and a table; groups inside this one follow."""
    docs = read_field_docs(model)
    plain = {key: field for key, field in model.model_fields.items() if not is_group(field)}
    if plain:
        yield f"## {name}\n\n{about}\n"
        yield "| setting | environment variable | default | meaning |\n|---|---|---|---|"
        for key, field in plain.items():
            variable = f"LAKEHOUSE_{name.replace('.', '__')}__{key}".upper()
            yield f"| `{name}.{key}` | `{variable}` | {render_default(field)} | {docs.get(key, '')} |"
        yield ""
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and is_group(field):
            yield from render_group(f"{name}.{key}", field.annotation, first_paragraph(field.annotation))


def is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def render_default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        raise TypeError("a secret has a default")
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def first_paragraph(model: type[BaseModel]) -> str:
    return " ".join(inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].split())


def read_field_docs(model: type[BaseModel]) -> dict[str, str]:
    """The text of each field: the string below it, or its entry in the class's `Attributes:` section."""
    section = re.split(r"\n *Attributes:\n", inspect.cleandoc(model.__doc__ or ""))[-1]
    entries = re.finditer(r"^ +(\w+): ((?:.+\n?)(?: {8,}.+\n?)*)", section, re.MULTILINE)
    docs = {entry[1]: " ".join(entry[2].split()) for entry in entries}
    (tree,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            docs[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return docs


def render_command(command: Any, path: str) -> Iterator[str]:
    """One section for each command, with its arguments, options and examples.

    Args:
        command: A command as typer builds it; its classes are typer's own affair.
        path: How it is called.
    """
    members = getattr(command, "commands", {})
    arguments = [item for item in command.params if not is_option(item)]
    names = [item.name.upper() if item.required else f"[{item.name.upper()}]" for item in arguments]
    pieces = ["COMMAND …"] if members else names
    yield f"## {path}\n\n```\n{' '.join([path, '[OPTIONS]', *pieces])}\n```\n\n{render_help(command.help or '')}\n"
    if command.params:
        yield "| argument or option | default | meaning |\n|---|---|---|"
        yield from map(render_parameter, command.params)
        yield ""
    for name, member in members.items():
        yield from render_command(member, f"{path} {name}")


def load_application() -> Any:
    """The whole command line, whose members load when they are called."""
    command: Any = typer.main.get_command(app)
    command.commands = {name: load_command(name) for name in COMMANDS}
    return command


def is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def render_parameter(parameter: Any) -> str:
    names = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option(parameter) else parameter.name.upper()
    default = parameter.default
    shown = "" if default is None or default is False or callable(default) else f"`{getattr(default, 'value', default)}`"
    about = (parameter.help or "").replace("\\[", "[")  # how rich is told that a bracket is one
    return f"| `{names}` | {shown} | {about} |"


def render_help(text: str) -> str:
    """Help text as Markdown: rich's marks go, the examples become a code block."""
    text = re.sub(r"\[/?bold\]", "`", inspect.cleandoc(text)).replace("\b\n", "")
    about, _, examples = text.partition("Examples:")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    return about.strip() + ("\n\n```\n" + "\n".join(lines) + "\n```" if lines else "")


if __name__ == "__main__":
    sys.exit(main())
