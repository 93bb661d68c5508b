"""One notebook, from its parameters to its last cell, within a time limit; how it went is a value, not an exception."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse_sdk.acceptance.kernel import NAME, PrivateKernel
from lakehouse_sdk.acceptance.report import CellError
from lakehouse_sdk.acceptance.timeouts import Timeouts

_ENDING_S = 15.0
"""How long papermill gets to notice that its kernel was killed; it looks once a second."""

OnCell = Callable[[int, Any], None]
"""Called with the index of a code cell and the cell itself, as soon as it has run."""


@dataclass
class _Outcome:
    error: BaseException | None = None


def execute_notebook(
    notebook: Path, output: Path, parameters: Mapping[str, Any], *, timeouts: Timeouts, on_cell: OnCell
) -> CellError | None:
    """Run `notebook` into `output`; what ran is saved also when it ended early.

    Papermill runs in a thread of its own: so the wall clock and Ctrl-C work whatever a cell does, and a caller may itself sit
    in a notebook, where an event loop runs already.

    Returns:
        None where every cell ran, else what stopped it.

    Raises:
        KeyboardInterrupt: Ctrl-C; the kernel is gone then.
    """
    outcome = _Outcome()
    with PrivateKernel() as kernel:
        thread = threading.Thread(
            target=_run, args=(notebook, output, parameters, kernel, timeouts, on_cell, outcome), name="validation", daemon=True
        )
        thread.start()
        try:
            thread.join(timeouts.total_s)
            too_long = thread.is_alive()
        finally:
            if thread.is_alive():
                kernel.kill()
                thread.join(_ENDING_S)
        log = kernel.read_log()
    if too_long:
        return CellError("Timeout", f"The notebook took longer than {timeouts.total_s:g} s in all and was ended.")
    return None if outcome.error is None else _describe(outcome.error, timeouts, log)


def _run(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    kernel: PrivateKernel,
    timeouts: Timeouts,
    on_cell: OnCell,
    outcome: _Outcome,
) -> None:
    import papermill  # noqa: PLC0415 (heavy)

    # Failures come back as a value; what papermill logs of them on the way would only be noise on the caller's terminal.
    logging.getLogger("papermill").addFilter(_drop)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=dict(parameters),
            kernel_name=NAME,
            progress_bar=False,
            start_timeout=round(timeouts.start_s),
            execution_timeout=round(timeouts.cell_s) or 1,
            kernel_manager_class=kernel.manager_class,
            on_cell_executed=lambda cell, cell_index, **_: on_cell(cell_index, cell),
        )
    except BaseException as error:  # noqa: BLE001 (the thread's only way to hand an error over)
        outcome.error = error
    finally:
        logging.getLogger("papermill").removeFilter(_drop)
        _close_event_loop()


def _close_event_loop() -> None:
    """End the loop that Jupyter made for this thread and would leave open."""
    from jupyter_core.utils import ensure_event_loop  # noqa: PLC0415 (heavy)

    loop = ensure_event_loop()
    pending = asyncio.all_tasks(loop)
    for waiting in pending:
        waiting.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _drop(record: logging.LogRecord) -> bool:
    del record
    return False


def _describe(error: BaseException, timeouts: Timeouts, log: str) -> CellError:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415 (heavy)
    from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415

    if isinstance(error, PapermillExecutionError):
        return CellError(error.ename, error.evalue, error.cell_index, "\n".join(error.traceback))
    if isinstance(error, CellTimeoutError):
        return CellError("Timeout", f"A cell took longer than {timeouts.cell_s:g} s and was ended.")
    if isinstance(error, DeadKernelError):
        return CellError(
            "Kernel died", "The notebook's process ended in the middle of a cell; often memory ran out.", None, log
        )
    return CellError(type(error).__name__, str(error), None, log)
