"""What an S3 server must do for the SDK, as tests that whoever runs one can run.

Subclass `StorageSuite` in a test module, give the fixture, and run pytest:

```python
class TestMyServer(StorageSuite):
    gaps = frozenset({"listing-order"})  # what it is known not to do

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls):
        return load_settings().profile("mine")
```
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import ClassVar

import pytest

from lakehouse_sdk.config import S3Profile
from lakehouse_sdk.storage.conformance import ConformanceReport, check_server, list_probes


class StorageSuite:
    """One test for each probe of `storage.conformance`; one that `gaps` names has to fail, so that the list stays true.

    A subclass overrides the fixture `profile`, with the scope `class`: the server is tried once.
    """

    gaps: ClassVar[AbstractSet[str]] = frozenset()

    @pytest.fixture(scope="class")
    @classmethod
    def profile(cls) -> S3Profile:
        """The server; to be overridden."""
        raise NotImplementedError("Override the fixture `profile` of StorageSuite.")

    @pytest.fixture(scope="class")
    @classmethod
    def report(cls, profile: S3Profile) -> ConformanceReport:
        """What was found."""
        return check_server(profile)

    @pytest.mark.parametrize("probe", list_probes())
    def test_probe(self, report: ConformanceReport, probe: str) -> None:
        """It conforms, or is known not to."""
        (result,) = (one for one in report.results if one.name == probe)
        if probe in self.gaps:
            assert result.outcome != "conforms", f"{probe} holds by now: take it out of `gaps`"
            assert result.consequence
        else:
            assert result.outcome == "conforms", f"{result.title}: {result.detail}"

    def test_nothing_is_left(self, profile: S3Profile, report: ConformanceReport) -> None:
        """The bucket of the probes is gone."""
        from lakehouse_sdk.storage import S3Client  # noqa: PLC0415

        assert report.results
        with S3Client(profile) as client:
            assert not [name for name in client.list_buckets() if name.startswith("conformance-")]
