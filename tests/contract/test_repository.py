"""What no file of the repository may hold: addresses of package indexes, paths of one machine, secrets' usual shapes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HOSTS = {
    "amazonaws.com",  # the public archive's S3 address, and AWS S3 itself
    "apache.org",  # the licence
    "binance.com",  # the archive's publisher, in documentation
    "coinbase.com",  # an exchange's API and its terms
    "github.com",  # the name of MinIO's Go module
    "w3.org",  # namespace of SVG
    "keepachangelog.com",
    "semver.org",
    "example.com",
    "example.org",
}
"""Every domain that the files may name; a package index is none of them: which one serves is the user's choice."""

DOMAIN = re.compile(r"\b(?:[a-z0-9-]+\.)*([a-z0-9-]+\.(?:com|org|net|dev|cloud))\b(?![\w(.=\[])")
MACHINE_PATH = re.compile(r"(?<![\w.:@}/-])/(?:home|Users|root|work|mnt|media|srv)/[A-Za-z0-9_.-]+")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every tracked text file."""
    git = shutil.which("git")
    assert git is not None
    names = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = {}
    for name in names.rstrip("\0").split("\0"):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in content:
            found[name] = content.decode()
    return found


def test_files_name_no_host_that_is_not_known(texts: dict[str, str]) -> None:
    """Which registry a machine installs from is never written down, and no address slips in unseen."""
    found = {(name, match[0]) for name, text in texts.items() for match in DOMAIN.finditer(text) if match[1] not in HOSTS}
    assert not found


def test_files_name_no_path_of_one_machine(texts: dict[str, str]) -> None:
    """The checkout, its tests and its executed notebooks work anywhere."""
    found = {(name, match[0]) for name, text in texts.items() for match in MACHINE_PATH.finditer(text)}
    assert not found
    here = re.compile(rf"(?<!\w){re.escape(str(ROOT.parent))}(?!\w)")
    assert not {name for name, text in texts.items() if len(str(ROOT.parent)) > 4 and here.search(text)}


def test_files_hold_no_private_key_or_access_key(texts: dict[str, str]) -> None:
    """Credentials in tests are generated, or plainly made up."""
    shape = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
    assert not {name for name, text in texts.items() if shape.search(text)}
