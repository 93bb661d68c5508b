"""The application: its command groups, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lakehouse_sdk import __version__
from lakehouse_sdk.cli.lazy import LazyGroup
from lakehouse_sdk.cli.stopping import (
    INTERRUPTED,
    NOBODY_READS,
    TERMINATED,
    StoppedError,
    flush_output,
    open_standard_streams,
    sigterm_raises,
    tell,
)
from lakehouse_sdk.errors import LakehouseError
from lakehouse_sdk.extras import needs_extra

app = typer.Typer(
    name="lakehouse",
    cls=LazyGroup,
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


def main() -> NoReturn:
    """Run the command line; never returns, never shows a traceback unless `--debug` asks for it."""
    open_standard_streams()
    with sigterm_raises():
        code = _run()
        try:
            code = code if flush_output() else NOBODY_READS
        except OSError as error:
            code = _explain_system(error)
    sys.exit(code)


def _run() -> int:
    try:
        with needs_extra():
            code = app(standalone_mode=False)
    except LakehouseError as error:
        return _explain(error.message, error.hint, error.exit_code)
    except StoppedError as stopped:
        return _say_stopped(stopped.exit_code, stopped.sentence)
    except typer.TyperException as error:  # typer brings its own click: the one on PyPI raises other classes
        return _explain(error.format_message(), "`lakehouse COMMAND --help` shows what the command takes.", error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _say_stopped(INTERRUPTED)
    except SystemExit as end:
        return _end(end)
    except OSError as error:
        return _explain_system(error)
    except Exception as error:  # noqa: BLE001 (the outermost frame: what is not foreseen is told as such)
        message = f"Internal error: {type(error).__name__}: {error}"
        return _explain(message, "Run it again with `lakehouse --debug …` and report the traceback.", 1)
    if code == INTERRUPTED:  # typer makes it of KeyboardInterrupt
        return _say_stopped(INTERRUPTED)
    return code if isinstance(code, int) else 0


def _explain_system(error: OSError) -> int:
    """What the operating system refused outside of all that the SDK foresees: the terminal, the current folder, a full disk."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return _explain("The current folder does not exist any more.", "Go to one that does (`cd ~`), and run it again.", 1)
    place = f" ({error.filename})" if error.filename else ""
    message = f"The system refused: {error.strerror or error}{place}."
    return _explain(message, "If that does not help you, run it again with `lakehouse --debug …`.", 1)


def _end(end: SystemExit) -> int:
    """The exit code where something asked for the end outright: SIGTERM, or typer, whose output nobody reads."""
    if isinstance(end.__context__, BrokenPipeError):
        return NOBODY_READS
    if end.code == TERMINATED:
        return _say_stopped(TERMINATED)
    return end.code if isinstance(end.code, int) else 1


def _say_stopped(code: int, sentence: str = "") -> int:
    word = "Terminated" if code == TERMINATED else "Interrupted"
    tell(f"{word}: {sentence}" if sentence else f"{word}.")
    return code


def _explain(message: str, hint: str | None, code: int) -> int:
    if "--debug" in sys.argv:
        traceback.print_exc()
    tell(f"error: {message}")
    if hint:
        tell(f"next:  {hint}")
    return code
