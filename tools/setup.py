"""Set-up: make, repair or confirm `.venv`, the environment that every make target runs in.

Guarantee: afterwards `.venv` holds this checkout (editable) with the extras `all` and `dev` at the versions of
`constraints.txt`, or one sentence says what is missing and what to do. A stamp inside `.venv`, written last, makes a second run
instant; a set-up that was interrupted left no stamp, and is made again from the start (the downloads are in the cache).
Nothing outside the checkout and the user's cache folder is touched.

Standard library only, in the grammar of Python 3.8: an interpreter that is too old must get far enough to say so.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = (3, 11)
VERSION = ".".join(str(part) for part in sys.version_info[:3])
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14")
INPUTS = ("pyproject.toml", "constraints.txt", "tools/setup.py")
"""What the environment is made from: a change of one of these files brings it up to date."""

CAUSES = {
    # What the installers' own words mean; the first that is found counts.
    r"no space left on device|disk quota exceeded": "the disk is full: free about 2 GiB (checkout and cache folder)",
    r"certificate|unknownissuer|unknown issuer": (
        "the package index's certificate is not trusted: name your certificate file in SSL_CERT_FILE"
    ),
    r"dns error|name resolution|name or service|nodename nor|connection refused|connection reset|connect error"
    r"|newconnectionerror|network is unreachable|no route to host|timed out|error sending request|proxyerror"
    r"|proxy connect|from versions: none": (
        "the package index cannot be reached: connect to the network, or name your mirror in PIP_INDEX_URL"
    ),
    r"permission denied|read-only file system": (
        "a folder cannot be written to: give yourself the right to write the checkout and the cache folder"
    ),
    r"no solution found|resolutionimpossible": (
        "pyproject.toml and constraints.txt contradict each other: run `make constraints`"
    ),
    r"ensurepip": "Python's venv module cannot install pip: install it (Debian, Ubuntu: `sudo apt-get install python3-venv`)",
}
AGAIN = "then run make again"


class SetupError(Exception):
    """Set-up cannot go on; the text is the one sentence for the person who ran make."""


def main() -> int:
    """Run the set-up; returns the exit code."""
    try:
        restart_with_newer_python()
        if read_fault(ROOT) is not None:
            with locked(ROOT / "pyproject.toml"):
                fault = read_fault(ROOT)
                if fault is not None:
                    set_up(ROOT, fault)
    except SetupError as error:
        print(f"Set-up stopped: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted: the next run of make starts it afresh, from the cache.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"Set-up stopped: {explain([str(error)])}.", file=sys.stderr)
        return 1
    return 0


def restart_with_newer_python() -> None:
    """Go on with a newer interpreter of PATH where this one is too old.

    Raises:
        SetupError: There is none.
    """
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in NEWER_PYTHONS:
        program = shutil.which(name)
        # A version manager's shim is on PATH for versions that are not active: only running it tells.
        if program and subprocess.call([program, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            os.execv(program, [program, *sys.argv])
    raise SetupError(
        f"python3 is {VERSION}, and Python 3.11 or newer is needed: "
        f"install it, or name it with `make PYTHON=/path/to/python3.12 …`, {AGAIN}"
    )


def read_fault(root: Path) -> str | None:
    """What is wrong with the environment: `missing` (make it), `changed` (bring it up to date), None (nothing)."""
    try:
        stamp = json.loads(stamp_file(root).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "missing"
    python = root / ".venv" / "bin" / "python"
    if stamp.get("base") != describe_base(root) or not os.access(str(python), os.X_OK):
        return "missing"
    if stamp.get("inputs") != hash_inputs(root) or not set(stamp.get("packages", ())) <= set(list_packages(root)):
        return "changed"
    return None


def set_up(root: Path, fault: str) -> None:
    """Make the environment, or bring it up to date.

    Raises:
        SetupError: A step failed.
    """
    started, venv = time.monotonic(), root / ".venv"
    python, uv = str(venv / "bin" / "python"), str(venv / "bin" / "uv")
    print(f"Setting up .venv with Python {VERSION}", flush=True)
    with contextlib.suppress(FileNotFoundError):
        stamp_file(root).unlink()
    pins = "constraints.txt"
    if fault == "missing":
        run_step("1/3 virtual environment", [base_python(), "-m", "venv", "--clear", str(venv)], root)
        run_step("2/3 uv", [python, "-m", "pip", "install", "--quiet", "--retries", "2", "--constraint", pins, "uv"], root)
    install = [uv, "pip", "install", "--python", python, "--constraint", pins, "--build-constraint", pins]
    # Where Python may keep no bytecode, as in many containers, every process would compile every library: two seconds each.
    compiled = ["--compile-bytecode"] if os.environ.get("PYTHONDONTWRITEBYTECODE") else []
    run_step("3/3 packages", [*install, *compiled, "--editable", ".[all,dev]"], root)
    if compiled:
        subprocess.call([python, "-m", "compileall", "-q", "-j", "0", "lakehouse_sdk"], cwd=str(root))
    write_stamp(root)
    print(f"  ready after {time.monotonic() - started:.1f} s", flush=True)


def run_step(title: str, command: list[str], root: Path) -> None:
    """Run one installer, relay its milestones, keep all of its words in `.venv/set-up.log`.

    Raises:
        SetupError: It failed; the sentence is made from its words.
    """
    started = time.monotonic()
    words: list[str] = []
    print(f"  {title} …", flush=True)
    process = subprocess.Popen(
        command, cwd=str(root), env=installer_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout or ():
            words.append(line)
            if re.match(r"\s*(Resolved|Downloading|Building|Prepared|Installed|Uninstalled) ", line):
                print(f"      {line.strip()}", flush=True)
        process.wait()
    finally:
        process.kill()
        process.wait()
    keep_log(root, command, words)
    if process.returncode != 0:
        raise SetupError(explain(words))
    print(f"  {title}: {time.monotonic() - started:.1f} s", flush=True)


def explain(words: list[str]) -> str:
    """The sentence for a failed installer, from its output lines; without the full stop."""
    for pattern, sentence in CAUSES.items():
        if any(re.search(pattern, line, re.IGNORECASE) for line in words):
            return f"{sentence}, {AGAIN}"
    told = [line.strip().rstrip(".") for line in words if line.strip()] or ["it said nothing"]
    last = next((line for line in reversed(told) if "error" in line.lower()), told[-1])
    return f"the installer failed with “{last}” (.venv/set-up.log has all of its words): remove that cause, {AGAIN}"


def installer_environment() -> dict[str, str]:
    """The environment of pip and uv: what was configured for one of the two counts for both."""
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}}
    env["PIP_USER"] = "0"  # a `user = true` in someone's pip.conf makes no sense inside an environment
    if "PIP_INDEX_URL" in env:
        env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
    if "PIP_CERT" in env or "SSL_CERT_FILE" in env:
        env.setdefault("SSL_CERT_FILE", env.get("PIP_CERT", ""))
        env.setdefault("PIP_CERT", env["SSL_CERT_FILE"])
    elif ssl.get_default_verify_paths().cafile:
        # A company's own certificates are in the system's store; uv looks only into its bundled one unless told.
        env.setdefault("UV_SYSTEM_CERTS", "true")
    return env


def base_python() -> str:
    """The interpreter itself, also where `python3` on PATH is that of an activated `.venv`."""
    return str(Path(sys.executable).resolve())


def describe_base(root: Path) -> list[str]:
    """What cannot change without making the environment anew: its scripts hold these."""
    return [str(root), base_python(), sys.version]


def hash_inputs(root: Path) -> str:
    """SHA-256 over the files that the environment is made from."""
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def list_packages(root: Path) -> list[str]:
    """Names of the installed distributions' folders: one that was removed by hand is noticed."""
    folders = (root / ".venv").glob("lib/python*/site-packages/*.dist-info")
    return sorted(folder.name for folder in folders)


def stamp_file(root: Path) -> Path:
    """The file whose presence says that a set-up ran to its end."""
    return root / ".venv" / "set-up.json"


def write_stamp(root: Path) -> None:
    """Say that the environment is complete; atomic."""
    scratch = stamp_file(root).with_suffix(".tmp")
    stamp = {"base": describe_base(root), "inputs": hash_inputs(root), "packages": list_packages(root)}
    scratch.write_text(json.dumps(stamp), encoding="utf-8")
    scratch.replace(stamp_file(root))


def keep_log(root: Path, command: list[str], words: list[str]) -> None:
    """Add one installer's words to the log; a disk too full for it must not hide the reason."""
    with contextlib.suppress(OSError), (root / ".venv" / "set-up.log").open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n{''.join(words)}")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the checkout's lock: of two `make` at once, the second waits and then finds the work done."""
    with file.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            print("Waiting for the set-up that another make runs in this checkout …", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
