"""The small program that stands between a process and the server it started.

Run as a script (`python -I -S watchdog.py GRACE_S REMOVE PROGRAM ARGUMENT…`), never imported by the SDK; standard library only,
so that it starts in milliseconds and stays small.

Guarantee: the server ends when its starter ends, however that happens (return, exception, Ctrl-C, kill -9). The starter holds
the write end of the pipe that is this program's standard input; when nobody holds it any more, the server's process group gets
SIGTERM, then, after `GRACE_S` seconds, SIGKILL, and the folder `REMOVE` (empty for none) is deleted. A starter that wants its
server to outlive it writes `RELEASE` first.

Why not the kernel's parent-death signal: it fires when the *thread* that spawned the child ends, and only Linux has it.
"""

import contextlib
import os
import select
import signal
import sys
import time

RELEASE = b"r"
_POLL_S = 1.0  # only a second look at the parent: a fork of it may hold the pipe open after it died


def main(grace_s: float, remove: str, command: list[str]) -> int:
    """Start `command`, report its process id on standard output, see it to its end; returns its exit code."""
    parent = os.getppid()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: asked_to_stop.append(caught))
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up
    pid = _spawn(command)
    os.write(1, b"%d\n" % pid)
    os.close(1)
    status, ordered = None, False
    while status is None:
        readable, _, _ = select.select([0, wake_read], [], [], _POLL_S)
        if wake_read in readable:
            os.read(wake_read, 1024)
        said = os.read(0, 64) if 0 in readable else None
        status = _poll(pid)
        ordered = said == b"" or bool(asked_to_stop) or os.getppid() != parent
        if status is None and said and said.startswith(RELEASE):
            return 0
        if status is None and ordered:
            status = _stop(pid, grace_s, wake_read)
    _signal_group(pid, signal.SIGKILL)  # whatever the server left behind in its own group
    if remove and ordered:  # one that ended by itself leaves its log to the starter
        _remove(remove)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _spawn(command: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()  # its own group, so that one signal reaches all that it starts
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        os.execvp(command[0], command)  # noqa: S606 (the point of this program)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _poll(pid: int) -> "int | None":
    ended, status = os.waitpid(pid, os.WNOHANG)
    return status if ended else None


def _stop(pid: int, grace_s: float, wake_read: int) -> int:
    _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (left_s := deadline - time.monotonic()) > 0:
        status = _poll(pid)
        if status is not None:
            return status
        if select.select([wake_read], [], [], min(left_s, 0.1))[0]:
            os.read(wake_read, 1024)
    _signal_group(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _remove(folder: str) -> None:
    import shutil  # noqa: PLC0415 (most servers keep their folder, and the module costs memory)

    for _ in range(40):  # another server that writes below it may be about to end
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.5)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(pid, number)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
