"""The application: its command groups, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, NoReturn

import typer

from lakehouse_sdk import __version__
from lakehouse_sdk.cli import archives, config, demo, servers, sync, tables, validate
from lakehouse_sdk.errors import LakehouseError

INTERRUPTED = 130

app = typer.Typer(
    name="lakehouse",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def lakehouse(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Crypto-market data lakehouse: exchange archives into MinIO/S3 and Apache Iceberg.

    Start with [bold]lakehouse demo[/bold] (everything once, on this machine) or [bold]lakehouse up[/bold] (servers that stay).
    """


for group in (servers, config, archives, sync, tables, validate, demo):
    group.register(app)


def main() -> NoReturn:
    """Run the command line; never returns, never shows a traceback unless `--debug` asks for it."""
    try:
        code = app(standalone_mode=False)
    except LakehouseError as error:
        code = _explain(error.message, error.hint, error.exit_code)
    except typer.TyperException as error:  # typer brings its own click: the one on PyPI raises other classes
        code = _explain(error.format_message(), "`lakehouse COMMAND --help` shows what the command takes.", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _explain("Interrupted.", None, INTERRUPTED)
    except Exception as error:  # noqa: BLE001 (the outermost frame: what is not foreseen is told as such)
        message = f"Internal error: {type(error).__name__}: {error}"
        code = _explain(message, "Run it again with `lakehouse --debug …` and report the traceback.", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(message: str, hint: str | None, code: int) -> int:
    if "--debug" in sys.argv:
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"next:  {hint}", file=sys.stderr)
    return code
