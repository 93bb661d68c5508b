"""Settings: which source wins, where a value came from, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from lakehouse_sdk.config import LocalStack, S3Profile, explain_settings, load_settings, remember_stack
from lakehouse_sdk.errors import ConfigurationError, LakehouseError

HUSH = "hush-hush-secret"


def origins(**arguments: object) -> dict[str, str]:
    return {setting.name: setting.origin for setting in explain_settings(**arguments)}


def write_toml(folder: Path, region: str) -> None:
    (folder / "lakehouse.toml").write_text(f'[storage]\nregion = "{region}"\n')


class TestPrecedence:
    """Arguments > environment > `.env` > `lakehouse.toml` > running local stack > default."""

    def test_each_source_yields_to_the_next_stronger(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load_settings().storage.region == "us-east-1"
        write_toml(here, "from-toml")
        assert load_settings().storage.region == "from-toml"
        (here / ".env").write_text("LAKEHOUSE_STORAGE__REGION=from-dotenv\nDATABASE_URL=not-ours\n")
        assert load_settings().storage.region == "from-dotenv"
        monkeypatch.setenv("LAKEHOUSE_STORAGE__REGION", "from-environment")
        assert load_settings().storage.region == "from-environment"
        assert load_settings(storage={"region": "from-argument"}).storage.region == "from-argument"

    def test_origin_names_the_source_of_every_value(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_toml(here, "from-toml")
        (here / ".env").write_text("LAKEHOUSE_LAKE__BUCKET=lake\n")
        monkeypatch.setenv("LAKEHOUSE_TRANSFER__MAX_CONCURRENT", "8")
        found = origins(catalog={"name": "mine"}, profiles={"backup": S3Profile(region="eu")})
        assert found["storage.region"] == str(here / "lakehouse.toml")
        assert found["lake.bucket"] == str(here / ".env")
        assert found["transfer.max_concurrent"] == "environment"
        assert found["catalog.name"] == "argument"
        assert found["profiles.backup.region"] == "argument"
        assert found["profiles.backup.endpoint_url"] == "default"
        assert found["storage.endpoint_url"] == "default"

    def test_fields_of_one_group_may_come_from_several_sources(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (here / "lakehouse.toml").write_text('[storage]\nendpoint_url = "http://h:9000"\naccess_key = "key"\n')
        monkeypatch.setenv("LAKEHOUSE_STORAGE__SECRET_KEY", HUSH)
        assert load_settings().storage.credentials() == ("key", HUSH)

    def test_a_model_as_argument_overrides_only_what_was_set_in_it(self, here: Path) -> None:
        write_toml(here, "from-toml")
        storage = load_settings(storage=S3Profile(endpoint_url="http://h:1")).storage
        assert (storage.endpoint_url, storage.region) == ("http://h:1", "from-toml")

    def test_files_are_found_in_folders_above(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_toml(here, "above")
        (here / "deep" / "er").mkdir(parents=True)
        monkeypatch.chdir(here / "deep" / "er")
        assert load_settings().storage.region == "above"
        write_toml(here / "deep", "nearer")
        assert load_settings().storage.region == "nearer"

    def test_a_named_file_stands_for_the_one_that_would_be_found(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_toml(here, "found")
        other = here / "other"
        other.mkdir()
        write_toml(other, "named")
        monkeypatch.setenv("LAKEHOUSE_CONFIG", str(other / "lakehouse.toml"))
        assert load_settings().storage.region == "named"
        monkeypatch.setenv("HOME", str(other))
        monkeypatch.setenv("LAKEHOUSE_CONFIG", "~/lakehouse.toml")
        assert load_settings().storage.region == "named"
        assert load_settings(config_file=here / "lakehouse.toml").storage.region == "found"
        assert origins(config_file=here / "lakehouse.toml")["storage.region"] == str(here / "lakehouse.toml")

    def test_profiles_come_from_every_source(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (here / "lakehouse.toml").write_text('[profiles.office]\nregion = "eu-west-1"\n')
        monkeypatch.setenv("LAKEHOUSE_PROFILES__BACKUP__ENDPOINT_URL", "http://h:2")
        settings = load_settings(profiles={"third": {"region": "x"}})
        assert settings.profile("office").region == "eu-west-1"
        assert settings.profile("backup").endpoint_url == "http://h:2"
        assert settings.profile("third").region == "x"


class TestLocalStack:
    """What `lakehouse up` left running is used whole or not at all."""

    @pytest.fixture(autouse=True)
    def stack(self, tmp_path: Path) -> LocalStack:
        stack = LocalStack(
            path=tmp_path / "stack",
            endpoint_url="http://127.0.0.1:9123",
            access_key="stack-key",
            secret_key=HUSH,
            catalog_uri="sqlite:////stack.db",
            prefect_api_url="http://127.0.0.1:4200/api",
        )
        remember_stack(stack)
        return stack

    def test_found_without_any_setting(self, stack: LocalStack) -> None:
        settings = load_settings()
        assert settings.storage.endpoint_url == stack.endpoint_url
        assert settings.storage.credentials() == (stack.access_key, HUSH)
        assert settings.catalog.uri == stack.catalog_uri
        assert settings.prefect.api_url == stack.prefect_api_url
        assert origins()["storage.secret_key"] == f"local stack {stack.path}"

    def test_passed_over_as_soon_as_anybody_says_anything_about_storage(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its credentials never go to another endpoint, and no other credentials to its endpoint."""
        monkeypatch.setenv("LAKEHOUSE_STORAGE__ENDPOINT_URL", "http://other:9000")
        settings = load_settings()
        assert settings.storage.access_key is None
        assert settings.catalog.uri is None
        monkeypatch.delenv("LAKEHOUSE_STORAGE__ENDPOINT_URL")
        assert load_settings(storage={"access_key": "mine"}).storage.endpoint_url is None
        write_toml(here, "eu")
        assert load_settings().storage.endpoint_url is None

    def test_other_groups_may_be_set_beside_it(self, stack: LocalStack) -> None:
        settings = load_settings(catalog={"uri": "sqlite:////mine.db"}, lake={"bucket": "other"})
        assert settings.storage.endpoint_url == stack.endpoint_url
        assert settings.catalog.uri == "sqlite:////mine.db"


class TestRefused:
    """Each refusal names the setting, where it was set, and what would be right."""

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("LAKEHOUSE_STORAGES__REGION", "x", ["LAKEHOUSE_STORAGES__REGION", "environment", "Groups: ", "STORAGE"]),
            ("lakehouse_storrage__region", "x", ["LAKEHOUSE_STORRAGE__REGION"]),
            ("LAKEHOUSE_STORAGE__ENDPOINT", "http://h:1", ["storage.endpoint ", "environment", "did you mean endpoint_url?"]),
            ("LAKEHOUSE_STORAGE__ZZZ", "1", ["storage.zzz ", "there are access_key, "]),
            ("LAKEHOUSE_PROFILES__B__SECRET", "1", ["profiles.b.secret ", "did you mean secret_key?"]),
            ("LAKEHOUSE_ARCHIVES__BINANCE__BUCKTE", "1", ["archives.binance.buckte ", "did you mean bucket?"]),
            ("LAKEHOUSE_TRANSFER__MAX_CONCURRENT", "many", ["transfer.max_concurrent (environment)", "integer"]),
            ("LAKEHOUSE_TRANSFER__PART_SIZE_MIB", "1", ["transfer.part_size_mib", "greater than or equal to 5"]),
            ("LAKEHOUSE_STORAGE__ENDPOINT_URL", "localhost:9000", ["storage.endpoint_url", "write http://host:port"]),
            ("LAKEHOUSE_STORAGE__ENDPOINT_URL", "http://h/minio", ["without a path"]),
            ("LAKEHOUSE_STORAGE", "{not json", ["environment", "LAKEHOUSE_<GROUP>__<FIELD>"]),
        ],
    )
    def test_in_the_environment(self, name: str, value: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
        assert all(word in str(caught.value) for word in words), str(caught.value)

    def test_all_faults_at_once(self, here: Path) -> None:
        (here / "lakehouse.toml").write_text('[storage]\nregoin = "x"\n[lak]\n[transfer]\nmax_concurrent = 0\n')
        with pytest.raises(ConfigurationError) as caught:
            load_settings()
        text = str(caught.value)
        assert f"storage.regoin ({here / 'lakehouse.toml'}): there is no such setting, did you mean region?" in text
        assert "lak (" in text
        assert "did you mean lake?" in text
        assert "transfer.max_concurrent" in text

    @pytest.mark.parametrize("content", [b"[storage\n", b"\xff\xfe", b"storage = 1\nstorage = 2\n"])
    def test_a_settings_file_that_is_no_toml(self, here: Path, content: bytes) -> None:
        (here / "lakehouse.toml").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"lakehouse\.toml cannot be read: .* LAKEHOUSE_CONFIG"):
            load_settings()

    def test_a_settings_file_that_is_not_there(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAKEHOUSE_CONFIG", str(here / "gone.toml"))
        with pytest.raises(ConfigurationError, match=r"gone\.toml cannot be read"):
            load_settings()

    def test_a_settings_file_that_cannot_be_opened(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAKEHOUSE_CONFIG", str(here))  # a folder: unreadable for root too
        with pytest.raises(ConfigurationError, match="cannot be read"):
            load_settings()

    def test_a_group_that_is_no_group(self, here: Path) -> None:
        (here / "lakehouse.toml").write_text('storage = "minio"\n')
        with pytest.raises(ConfigurationError, match=r"storage \(.*lakehouse\.toml\): "):
            load_settings()

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"LAKEHOUSE_STORAGE__REGION=\xff\xfe", "cannot be read"),
            (b"LAKEHOUSE_STORAG__REGION=x\n", "LAKEHOUSE_STORAG__REGION"),
        ],
    )
    def test_a_dotenv_that_is_none(self, here: Path, content: bytes, words: str) -> None:
        (here / ".env").write_bytes(content)
        with pytest.raises(ConfigurationError, match=words) as caught:
            load_settings()
        assert str(here / ".env") in str(caught.value)

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(ConfigurationError, match=r"sotrage \(argument\): there is no such setting, did you mean storage\?"):
            load_settings(sotrage={})

    def test_an_unknown_profile_lists_the_known_ones(self) -> None:
        with pytest.raises(ConfigurationError, match=r"no profile 'x' \(known: backup, binance\).*LAKEHOUSE_PROFILES__X__"):
            load_settings(profiles={"backup": {}}).profile("x")

    def test_settings_cannot_be_changed(self) -> None:
        with pytest.raises(ValidationError):
            load_settings().storage = S3Profile()  # type: ignore[misc]


class TestProfiles:
    """Names for servers."""

    def test_the_empty_name_is_the_storage(self) -> None:
        settings = load_settings(storage={"region": "here"})
        assert settings.profile("") is settings.storage

    def test_binance_is_the_public_archive_read_without_credentials(self) -> None:
        profile = load_settings().profile("binance")
        assert profile.anonymous
        assert profile.addressing_style == "path"  # its bucket name has dots, which breaks TLS in a host name
        assert profile.resolved_endpoint_url == "https://s3.ap-northeast-1.amazonaws.com"

    def test_binance_can_be_led_elsewhere(self) -> None:
        moved = load_settings(archives={"binance": {"endpoint_url": "http://127.0.0.1:1"}})
        assert moved.profile("binance").endpoint_url == "http://127.0.0.1:1"
        replaced = load_settings(profiles={"binance": {"endpoint_url": "http://127.0.0.1:2"}})
        assert replaced.profile("binance").endpoint_url == "http://127.0.0.1:2"


SHOWN: dict[str, Callable[[], str]] = {
    "repr": lambda: repr(secret_settings()),
    "str": lambda: str(secret_settings()),
    "format": lambda: f"{secret_settings()} {secret_settings().storage}",
    "json": lambda: secret_settings().model_dump_json(),
    "dump": lambda: json.dumps(secret_settings().model_dump(mode="json")),
    "storage": lambda: repr(secret_settings().storage),
    "catalog": lambda: repr(secret_settings().catalog),
    "explain": lambda: repr(explain_settings(**SECRETS)),
}
SECRETS = {
    "storage": {"access_key": HUSH, "secret_key": HUSH, "session_token": HUSH},
    "profiles": {"b": {"secret_key": HUSH}},
    "catalog": {"uri": f"postgresql+psycopg://user:{HUSH}@host/db?password={HUSH}&sslmode=require"},
}


def secret_settings() -> object:
    return load_settings(**SECRETS)


class TestSecrets:
    """Secrets are in the settings and nowhere that a person looks."""

    @pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
    def test_masked(self, show: Callable[[], str]) -> None:
        text = show()
        assert HUSH not in text
        assert "**********" in text

    def test_what_a_person_needs_stays_readable(self) -> None:
        assert "postgresql+psycopg://user:**********@host/db?password=**********&sslmode=require" in repr(secret_settings())

    def test_the_catalogue_gets_the_real_address(self) -> None:
        assert load_settings(**SECRETS).catalog.uri == SECRETS["catalog"]["uri"]

    @pytest.mark.parametrize(
        "arguments",
        [
            {"storage": {"secret_key": [HUSH]}},
            {"storage": {"secret": HUSH}},
            {"storage": {"endpoint_url": f"http://user:{HUSH}@host:9000"}},
            {"storage": {"endpoint_url": f"user:{HUSH}@host:9000"}},
            {"catalog": {"uri": [HUSH]}},
            {"storage": HUSH},
        ],
    )
    def test_an_error_names_the_setting_and_not_its_value(self, arguments: dict[str, object]) -> None:
        with pytest.raises(LakehouseError) as caught:
            load_settings(**arguments)
        assert HUSH not in str(caught.value)
        assert caught.value.__cause__ is None  # pydantic's own error shows the input
        assert caught.value.__suppress_context__

    def test_a_pickle_keeps_them(self) -> None:
        """Workers get settings as pickles, so these are as secret as the credentials."""
        again = pickle.loads(pickle.dumps(load_settings(**SECRETS)))
        assert again == secret_settings()
        assert again.storage.credentials() == (HUSH, HUSH)


def test_the_order_of_explained_settings_is_the_order_of_the_fields() -> None:
    names = [setting.name for setting in explain_settings()]
    assert names[:2] == ["version", "storage.endpoint_url"]
    assert names.index("lake.bucket") < names.index("archives.binance.endpoint_url") < names.index("prefect.api_url")


def test_settings_of_a_later_format_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "lake.toml"
    file.write_text("version = 1\n[lake]\nbucket = 'b'\n")
    assert load_settings(config_file=file).lake.bucket == "b"
    file.write_text("version = 2\n")
    with pytest.raises(ConfigurationError, match="version"):
        load_settings(config_file=file)
