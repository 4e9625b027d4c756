"""A bad configuration stops the start with the field's name and what was expected."""

from pathlib import Path

import pytest

from keyhouse.config import BadConfiguration, Settings, load, read_secret

UPSTREAM = '[[upstreams]]\nname = "local"\nbase_url = "http://127.0.0.1:1/v1"\nallow_private = true\n'


def loaded(folder: Path, text: str, environment: dict[str, str] | None = None) -> Settings:
    file = folder / "keyhouse.toml"
    file.write_text(text)
    return load(file, environment or {})


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        '[server]\nport = 9000\nhost = "::1"\n' + UPSTREAM + '[[models]]\nname = "tiny-1"\nupstreams = ["local"]\n',
        {"KEYHOUSE_SERVER__PORT": "9001", "KEYHOUSE_SERVER__TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1", "PATH": "/bin"},
    )
    assert (settings.server.host, settings.server.port) == ("::1", 9001)
    assert settings.server.trusted_proxies == ("10.0.0.0/8", "127.0.0.1")
    assert settings.models[0].upstreams == ("local",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", "prot"),
        ("[sever]\nport = 1\n", "sever"),
        ('[server]\nport = "http"\n', "server.port"),
        ("[server]\nport = 70000\n", "server.port"),
        ('[server]\npublic_url = "keys.example.com"\n', "server.public_url"),
        ('[server]\ntrusted_proxies = ["10.0.0.300"]\n', "server.trusted_proxies"),
        ('[database]\nurl = "mysql://x"\n', "database.url"),
        ("[[upstreams]]\nname = 'a'\n", "base_url"),
        (
            "[[upstreams]]\nname = 'a'\nbase_url = 'http://api.example.com/v1'\n",
            r"upstreams\[0\].base_url: expected https",
        ),
        ("[[upstreams]]\nname = 'a'\nbase_url = 'ftp://x'\n", r"upstreams\[0\].base_url"),
        (UPSTREAM + UPSTREAM, r"upstreams\[1\].name"),
        (UPSTREAM + "connect_timeout_seconds = 0\n", "connect_timeout_seconds"),
        (
            UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['else']\n",
            r"models\[0\].upstreams: there is no upstream 'else'",
        ),
        (UPSTREAM + "[[models]]\nname = 'm'\nupstreams = []\n", r"models\[0\].upstreams"),
        (UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['local']\nmax_output_tokens = 0\n", "max_output_tokens"),
        (
            UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['local']\ninput_usd_per_million = '2e-7'\n",
            r"models\[0\].input_usd_per_million",
        ),
        (
            UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['local']\ninput_usd_per_million = '1'\n",
            "both input_usd_per_million and output_usd_per_million",
        ),
        ("[retention]\ncalls_days = 0\n", "retention.calls_days: expected 1"),
        ("[retention]\nminutes_days = 'week'\n", "retention.minutes_days"),
        ("[server\n", "not valid TOML"),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadConfiguration, match=says):
        loaded(tmp_path, text)


@pytest.mark.parametrize("name", ["KEYHOUSE_SERVER__PROT", "KEYHOUSE_SEVER__PORT"])
def test_a_misspelled_variable_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadConfiguration, match=name):
        loaded(tmp_path, "", {name: "1"})


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_a_secret_can_be_in_the_environment_or_a_file_and_is_never_empty(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sk-upstream\n")
    assert read_secret("A_KEY", {"A_KEY": " sk-1 "}) == "sk-1"
    assert read_secret("A_KEY", {"A_KEY_FILE": str(file)}) == "sk-upstream"
    assert read_secret("A_KEY", {}) is None
    file.write_text("\n")
    with pytest.raises(BadConfiguration, match="A_KEY_FILE"):
        read_secret("A_KEY", {"A_KEY_FILE": str(file)})


def an_empty_file(folder: Path) -> Path:
    (folder / "keyhouse.toml").write_text("")
    return folder / "keyhouse.toml"


@pytest.mark.parametrize("url", ["sqlite:///data/keyhouse.db", "postgresql://ada@db/keyhouse", "postgres:///keyhouse"])
def test_a_database_is_named_by_its_address(tmp_path: Path, url: str) -> None:
    assert load(an_empty_file(tmp_path), {"KEYHOUSE_DATABASE__URL": url}).database.url == url


def test_a_databases_password_is_in_no_message(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://ada:hunter2@db/keyhouse\n")
    settings = load(an_empty_file(tmp_path), {"KEYHOUSE_DATABASE__URL_FILE": str(tmp_path / "url")})
    assert settings.database.url == "postgresql://ada:hunter2@db/keyhouse"
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(BadConfiguration, match=r"database\.url") as caught:
        load(an_empty_file(tmp_path), {"KEYHOUSE_DATABASE__URL": "mysql://ada:hunter2@db/keyhouse"})
    assert "hunter2" not in str(caught.value)
