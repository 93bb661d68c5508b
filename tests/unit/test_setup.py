"""The set-up program: what it makes of the environment it finds, and the one sentence that it ends in when it cannot go on."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup(tool: Any) -> Any:
    return tool("setup")


@pytest.fixture
def checkout(tmp_path: Path, setup: Any) -> Path:
    """A checkout whose environment looks as if a set-up had run to its end."""
    (tmp_path / "tools").mkdir()
    for name in setup.INPUTS:
        (tmp_path / name).write_text("as it was")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(setup.base_python())
    (tmp_path / ".venv/lib/python3.11/site-packages/pandas-3.1.1.dist-info").mkdir(parents=True)
    setup.write_stamp(tmp_path)
    return tmp_path


def test_complete_environment_is_left_alone(setup: Any, checkout: Path) -> None:
    assert setup.read_fault(checkout) is None


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_input_brings_the_environment_up_to_date(setup: Any, checkout: Path, name: str) -> None:
    (checkout / name).write_text("changed")
    assert setup.read_fault(checkout) == "changed"


def test_package_removed_by_hand_is_put_back(setup: Any, checkout: Path) -> None:
    (checkout / ".venv/lib/python3.11/site-packages/pandas-3.1.1.dist-info").rmdir()
    assert setup.read_fault(checkout) == "changed"


def test_package_added_by_hand_is_none_of_our_business(setup: Any, checkout: Path) -> None:
    (checkout / ".venv/lib/python3.11/site-packages/extra-1.0.dist-info").mkdir()
    assert setup.read_fault(checkout) is None


def test_interrupted_setup_is_made_again(setup: Any, checkout: Path) -> None:
    """A set-up takes the stamp away before its first step and puts it back after its last."""
    setup.stamp_file(checkout).unlink()
    assert setup.read_fault(checkout) == "missing"


def test_half_written_stamp_counts_as_none(setup: Any, checkout: Path) -> None:
    setup.stamp_file(checkout).write_text('{"base": [')
    assert setup.read_fault(checkout) == "missing"


def test_environment_of_a_removed_python_is_made_again(setup: Any, checkout: Path) -> None:
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to(checkout / "python-that-was-removed")
    assert setup.read_fault(checkout) == "missing"


def test_moved_checkout_gets_a_new_environment(setup: Any, checkout: Path) -> None:
    """Scripts in `.venv/bin` and the editable install hold absolute paths."""
    stamp = json.loads(setup.stamp_file(checkout).read_text())
    stamp["base"][0] = "/elsewhere"
    setup.stamp_file(checkout).write_text(json.dumps(stamp))
    assert setup.read_fault(checkout) == "missing"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device: '/x/pyarrow.so'", "the disk is full"),
        ("error: Failed to fetch: `x`\n  Caused by: dns error: failed to lookup", "the package index cannot be reached"),
        ("ERROR: No matching distribution found for uv (from versions: none)", "the package index cannot be reached"),
        ("  Caused by: tcp connect error: Connection refused (os error 111)", "the package index cannot be reached"),
        ("invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
        ("SSLError(SSLCertVerificationError(1, 'certificate verify failed'))", "certificate is not trusted"),
        ("The virtual environment was not created: ensurepip is not\navailable.", "python3-venv"),
        ("error: failed to create directory `/x`: Permission denied (os error 13)", "cannot be written to"),
        ("  No solution found when resolving dependencies:\n", "make constraints"),
        ("Resolved 3 packages\nerror: the wheel is odd.\nhint: look at it", "“error: the wheel is odd”"),
        ("", "it said nothing"),
    ],
)
def test_failed_installer_ends_in_one_sentence(setup: Any, words: str, sentence: str) -> None:
    """It names what is missing, and ends with the next step."""
    told = setup.explain(words.splitlines())
    assert sentence in told
    assert told.endswith("then run make again")
    assert "\n" not in told


def test_too_old_python_says_so(setup: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (3, 8, 18))
    monkeypatch.setattr(setup.shutil, "which", lambda name: None)
    assert setup.main() == 1
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_program_is_readable_for_the_oldest_python_that_it_speaks_to() -> None:
    """It must get far enough to say that the interpreter is too old."""
    ast.parse((ROOT / "tools/setup.py").read_text(), feature_version=(3, 8))


def test_certificate_and_index_count_for_pip_and_uv(setup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever configured one of the two has configured both."""
    for name in ("PIP_CERT", "UV_DEFAULT_INDEX", "UV_SYSTEM_CERTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "http://mirror.invalid/simple")
    env = setup.installer_environment()
    assert env["PIP_CERT"] == "/ca.pem"
    assert env["UV_DEFAULT_INDEX"] == "http://mirror.invalid/simple"
    assert "UV_SYSTEM_CERTS" not in env
