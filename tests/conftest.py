"""Fixtures that every kind of test shares: a clean environment, one MinIO for each worker, a fresh bucket for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from postgres import PostgresServer

from lakehouse_sdk.config import Settings, load_settings
from lakehouse_sdk.servers import MinioServer
from lakehouse_sdk.storage import S3Client

_QUIET = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
hypothesis_settings.register_profile("ci", max_examples=50, **_QUIET)
hypothesis_settings.register_profile("deep", max_examples=300, **_QUIET)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting, credential or running stack of the developer reaches a test."""
    for name in os.environ:
        if name.startswith(("LAKEHOUSE_", "AWS_ACCESS", "AWS_SECRET", "AWS_SESSION", "AWS_PROFILE", "S3_ENDPOINT")):
            monkeypatch.delenv(name)
    monkeypatch.setattr("lakehouse_sdk.config.stack.cache_dir", lambda: tmp_path_factory.getbasetemp() / "no-stack")


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A real MinIO, one for each test worker."""
    with MinioServer(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def other_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """A second server with other credentials: another endpoint."""
    with MinioServer(tmp_path_factory.mktemp("other-minio")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(minio: MinioServer) -> Iterator[S3Client]:
    """Requests to `minio`."""
    with S3Client(minio.profile) as client:
        yield client


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """A new, empty bucket on `minio`."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.ensure_bucket(name)
    return name


@pytest.fixture
def settings(minio: MinioServer, bucket: str, tmp_path: Path) -> Settings:
    """Settings whose lake is `bucket` on `minio`, with a fresh SQLite catalogue."""
    return load_settings(
        storage=minio.profile,
        lake={"bucket": bucket},
        catalog={"uri": f"sqlite:///{tmp_path}/catalog.db"},
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, one for each test worker that asks for it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_uri(postgres: PostgresServer) -> str:
    """The address of a new, empty database on it."""
    return postgres.make_database()


_UNUSED_PATTERNS = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fifth", type=int, default=None, help="of the deep tests, only this fifth (0 to 4), by their ids")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what `deep-tests.txt` leaves to `make test-deep`; with `--fifth` let one of five parts of the deep tests remain."""
    folder = Path(__file__).parent
    patterns = [line.partition(" # ")[0] for line in _list_lines(folder / "deep-tests.txt")]
    unused = set(patterns)
    for item in items:
        found = [pattern for pattern in patterns if fnmatchcase(item.nodeid, pattern) or item.nodeid == pattern]
        unused.difference_update(found)
        if found:
            item.add_marker(pytest.mark.deep)
    if unused and [Path(argument).absolute() for argument in config.args] == [folder]:  # all tests are here
        # A worker of xdist that raises here ends without a word, so a test that every worker has says it.
        told = next(item for item in items if not item.get_closest_marker("deep"))
        told.stash[_UNUSED_PATTERNS] = f"No test is meant by {', '.join(sorted(unused))} in tests/deep-tests.txt."
    fifth = config.getoption("--fifth")
    if fifth is not None:
        kept = [item for item in items if item.get_closest_marker("deep") and _fifth(item) == fifth and not _needs_more(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _fifth(item: pytest.Item) -> int:
    """By the file, so that what its tests share is made once."""
    return zlib.crc32(item.nodeid.partition("::")[0].encode()) % 5


def _needs_more(item: pytest.Item) -> bool:
    """True where a test needs a package that CI does not install, a program that takes minutes to build, or half an hour."""
    if item.get_closest_marker("needs_build") or item.get_closest_marker("whole"):
        return True
    wanted = {marker.args[0] for marker in item.iter_markers("needs_debian")}
    return not wanted <= set(_list_packages("apt-packages.txt"))


def _list_packages(name: str) -> list[str]:
    return _list_lines(Path(__file__).parents[1] / ".ci" / name)


def _list_lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program of a Debian package that is not here, and say which; CI installs the packages of the list."""
    if _UNUSED_PATTERNS in item.stash:
        pytest.fail(item.stash[_UNUSED_PATTERNS], pytrace=False)
    for marker in item.iter_markers("needs_debian"):
        (package,) = marker.args
        listed = [*_list_packages("apt-packages.txt"), *_list_packages("apt-packages-deep.txt")]
        assert package in listed, f"{package} is in no list of .ci"
        if shutil.which(marker.kwargs.get("program", package)) is None:
            pytest.skip(f"needs Debian's package {package}: apt-get install {package}")
        if marker.kwargs.get("root") and os.geteuid() != 0:
            pytest.skip(f"needs root, to run Debian's package {package}")


class SkipGuard:
    """In CI a skipped test fails the run, unless `tests/allowed-skips.txt` names it; elsewhere `-ra` shows its reason."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = allowed
        self.refused: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        name = report.nodeid
        if not any(name == known or (known.endswith("*") and name.startswith(known[:-1])) for known in self.allowed):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.refused[name] = reason.removeprefix("Skipped: ")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.refused and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.refused:
            terminalreporter.section("skipped in CI, and not in tests/allowed-skips.txt: this run has failed", red=True)
            for name, reason in sorted(self.refused.items()):
                terminalreporter.line(f"{name}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    """Once for a run, before its workers: a home for Prefect, and the guard of the skips in CI."""
    if hasattr(config, "workerinput"):
        return
    # Importing Prefect makes its home folder, and nothing of a test run belongs into the user's.
    home = tempfile.TemporaryDirectory(prefix="prefect-of-tests-", ignore_cleanup_errors=True)
    os.environ["PREFECT_HOME"] = home.name
    config.add_cleanup(home.cleanup)
    if os.environ.get("CI"):
        lines = Path(__file__).with_name("allowed-skips.txt").read_text(encoding="utf-8").splitlines()
        names = [line.partition(" # ")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
        config.pluginmanager.register(SkipGuard(names), "skip-guard")
