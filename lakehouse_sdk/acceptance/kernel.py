"""A Jupyter kernel of this very interpreter that leaves no trace: no kernelspec to install, nothing in the user's home.

Guarantee: when the `with` block ends, however it ends, the kernel and whatever it started in its process group are gone, and
so is its folder. If this process is killed, the kernel notices that its parent is gone and ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lakehouse_sdk.errors import ConfigurationError

NAME = "python3"
"""What the kernel is called: papermill derives the language from it."""

_LONGEST_SOCKET = 90
"""macOS allows 103 bytes, and ZMQ appends the number of the channel."""
_LOG_BYTES = 4096


class PrivateKernel:
    """Where a kernel lives, and its end; nbclient starts it through `manager_class`.

    Attributes:
        manager_class: A `jupyter_client.AsyncKernelManager` that knows this kernel and no other.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="lakehouse-kernel-"))  # mode 0700
        self._log = self._folder / "kernel.log"
        self._manager: Any = None
        self._pid: int | None = None
        try:
            self.manager_class = self._define_manager()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End the kernel's process group at once; safe from any thread, and when there is none."""
        self._note_pid()
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)  # the kernel leads a session of its own

    def read_log(self) -> str:
        """The last of what the kernel's process said by itself, outside of any cell; empty where it said nothing.

        It is kept from the caller's terminal: a kernel that is asked to end may log that it was, after its last cell.
        """
        try:
            return self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""

    def _note_pid(self) -> None:
        """Remember the process: when the kernel has ended in order, what it started in its group is still to be ended."""
        provisioner = getattr(self._manager, "provisioner", None)
        self._pid = getattr(provisioner, "pid", None) or self._pid

    def _choose_transport(self) -> dict[str, str]:
        """Sockets in the folder: two runs never race for a port, and no other user can connect.

        The system limits the path of a socket; where the temporary folder's is too long, Jupyter's TCP ports have to do.
        """
        socket = self._folder / "socket"
        return {"transport": "ipc", "ip": str(socket)} if len(os.fsencode(socket)) <= _LONGEST_SOCKET else {}

    def _define_manager(self) -> type:
        try:
            import ipykernel  # noqa: F401, PLC0415 (heavy; only to know that the kernel will start)
            from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415
            from jupyter_client.manager import AsyncKernelManager  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                f"Validation notebooks need {error.name}, which is not installed.",
                hint='Install the extra: pip install "lakehouse-sdk[report]".',
            ) from error
        kernel, specs = self, self._folder / "kernels"
        self._write_spec(specs / NAME)

        class Manager(AsyncKernelManager):
            def __init__(self, **options: Any) -> None:
                super().__init__(
                    kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False),
                    connection_file=str(kernel._folder / "connection.json"),
                    **kernel._choose_transport(),
                    **options,
                )
                kernel._manager = self

            async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
                with kernel._log.open("ab") as log:
                    await super().start_kernel(**{**options, "stdout": log, "stderr": log})
                kernel._note_pid()

        return Manager

    def _write_spec(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": "lakehouse",
            "language": "python",
            "env": {
                "IPYTHONDIR": str(self._folder / "ipython"),
                "JUPYTER_CONFIG_DIR": str(self._folder / "jupyter-config"),
                "JUPYTER_DATA_DIR": str(self._folder / "jupyter-data"),
                "JUPYTER_RUNTIME_DIR": str(self._folder / "jupyter-runtime"),
                "MPLCONFIGDIR": str(self._folder / "matplotlib"),
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # else the debugger writes a warning into the first cell
            },
        }
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
