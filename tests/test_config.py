"""A bad configuration stops the start with the field's name and what was expected."""

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from core.test_leak_signatures import published
from keyhouse.config import BadConfiguration, Server, Settings, Upstream, load, read_secret
from keyhouse.core.written import Served, WrittenModel

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
        ('[server]\nport = "http"\n', "server.port"),
        ("[server]\nport = 70000\n", "server.port"),
        ('[server]\npublic_url = "keys.example.com"\n', "server.public_url"),
        ('[server]\ntrusted_proxies = ["10.0.0.300"]\n', "server.trusted_proxies"),
        ('[database]\nurl = "mysql://x"\n', "database.url"),
        ("[[upstreams]]\nname = 'a'\n", "base_url"),
        ("[[upstreams]]\nname = 'a'\nbase_url = 'https://a.example/v1'\nauth = 'basic'\n", "auth"),
        (
            "[[upstreams]]\nname = 'a'\nbase_url = 'http://api.example.com/v1'\n",
            r"upstreams\[0\].base_url: expected https",
        ),
        ("[[upstreams]]\nname = 'a'\nbase_url = 'ftp://x'\n", r"upstreams\[0\].base_url"),
        (UPSTREAM + UPSTREAM, r"upstreams\[1\].name"),
        (UPSTREAM + "connect_timeout_seconds = 0\n", "connect_timeout_seconds"),
        (
            UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['else']\n",
            r"models\[0\].upstreams\[0\]: there is no upstream 'else'",
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


@pytest.mark.parametrize(
    ("text", "place", "field", "fields"),
    [
        ("hello = 1\n", "it", "hello", Settings),
        ("[server]\nprot = 1\n", "server", "prot", Server),
        (UPSTREAM + "api_key = 'sk-1'\n", r"upstreams\[0\]", "api_key", Upstream),
        (UPSTREAM + "[[models]]\nname = 'm'\nupstreams = []\nprice = 1\n", r"models\[0\]", "price", WrittenModel),
        (
            UPSTREAM + "[[models]]\nname = 'm'\nupstreams = [{name = 'local', order = 1}]\n",
            r"models\[0\]\.upstreams\[0\]",
            "order",
            Served,
        ),
    ],
)
def test_a_field_that_is_not_there_is_named_and_so_are_those_that_are(
    tmp_path: Path, text: str, place: str, field: str, fields: type[msgspec.Struct]
) -> None:
    known = ", ".join(fields.__struct_fields__)
    with pytest.raises(BadConfiguration, match=f": {place} has no field {field}; expected one of {known}\\.$"):
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


def test_githubs_keys_are_read_from_their_file_or_named_as_wrong(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert loaded(tmp_path, "").leaks.signatures() is None
    settings = loaded(tmp_path, "", {"KEYHOUSE_LEAKS__GITHUB_PUBLIC_KEYS_FILE": str(file)})
    file.write_text(published(a=generate_private_key(SECP256R1())))
    assert settings.leaks.signatures() is not None
    for text in ("", "{}"):
        file.write_text(text)
        with pytest.raises(BadConfiguration, match=r"leaks\.github_public_keys_file"):
            settings.leaks.signatures()


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


MODEL = UPSTREAM + "[[models]]\nname = 'm'\nupstreams = ['local']\n"
PRICED = MODEL + "input_usd_per_million = '1'\noutput_usd_per_million = '2'\n"
RATE = "[[models.rates]]\ninput_usd_per_million = '3'\noutput_usd_per_million = '4'\n"
MAXIMA = ("max_output_tokens", "max_image_tokens", "max_audio_tokens", "max_audio_seconds", "max_input_tokens")
BESIDE_TOKENS = (
    "cached_input_usd_per_million",
    "cache_write_usd_per_million",
    "audio_input_usd_per_million",
    "audio_output_usd_per_million",
    "image_input_usd_per_million",
    "image_output_usd_per_million",
)
OTHERS = ("image_usd", "audio_usd_per_minute", "characters_usd_per_million", "request_usd")


def test_every_field_of_a_model_is_read(tmp_path: Path) -> None:
    maxima = "".join(f"{name} = {place + 1}\n" for place, name in enumerate(MAXIMA))
    prices = "".join(f"{name} = '0.{place + 1}'\n" for place, name in enumerate((*BESIDE_TOKENS, *OTHERS)))
    rates = RATE + "tier = 'priority'\n" + RATE + "from_input_tokens = 200_001\naudio_output_usd_per_million = '9'\n"
    (model,) = loaded(tmp_path, PRICED + "upstream_model = 'up'\n" + maxima + prices + rates).models
    assert [getattr(model, name) for name in MAXIMA] == [1, 2, 3, 4, 5]
    found = [getattr(model, name) for name in (*BESIDE_TOKENS, *OTHERS)]
    assert found == [f"0.{place + 1}" for place in range(10)]
    assert (model.input_usd_per_million, model.output_usd_per_million, model.upstream_model) == ("1", "2", "up")
    priority, long = model.rates
    assert (priority.tier, priority.from_input_tokens, priority.audio_output_usd_per_million) == ("priority", 0, None)
    assert (long.tier, long.from_input_tokens, long.audio_output_usd_per_million) == ("default", 200_001, "9")


@pytest.mark.parametrize("name", MAXIMA)
@pytest.mark.parametrize("value", ["0", "-1", "10_000_001", "1.5", "'many'"])
def test_a_maximum_that_cannot_be_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"models\[0\]\.{name}: "):
        loaded(tmp_path, f"{MODEL}{name} = {value}\n")


@pytest.mark.parametrize("name", ["input_usd_per_million", "output_usd_per_million", *BESIDE_TOKENS, *OTHERS])
@pytest.mark.parametrize(
    "value", ["-1", "1e3", "1,5", "", "free", "0.0000000001", "1000000.01", "99999999999999999999"]
)
def test_a_price_that_cannot_be_is_named(tmp_path: Path, name: str, value: str) -> None:
    beside = MODEL if name.startswith(("input", "output")) else PRICED
    with pytest.raises(BadConfiguration, match=rf"models\[0\]\.{name}: "):
        loaded(tmp_path, f"{beside}{name} = '{value}'\n")


@pytest.mark.parametrize("name", OTHERS)
def test_the_dearest_and_the_least_price_are_taken(tmp_path: Path, name: str) -> None:
    for value in ("0", "0.000001", "1000000"):
        (model,) = loaded(tmp_path, f"{MODEL}{name} = '{value}'\n").models
        assert getattr(model, name) == value


@pytest.mark.parametrize("name", BESIDE_TOKENS)
def test_a_price_of_some_tokens_needs_that_of_the_others(tmp_path: Path, name: str) -> None:
    """Otherwise it would be forgotten without a word, and the known prices used."""
    with pytest.raises(BadConfiguration, match=rf"models\[0\]\.{name}: expected input_usd_per_million and output"):
        loaded(tmp_path, f"{MODEL}{name} = '0.5'\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MODEL + RATE, r"models\[0\]\.rates: expected input_usd_per_million"),
        (PRICED + RATE, r"models\[0\]\.rates\[0\]: expected a tier and from_input_tokens that no other rate has"),
        (PRICED + RATE + "tier = ''\n", r"models\[0\]\.rates\[0\]: expected a tier"),
        (PRICED + (RATE + "tier = 'flex'\n") * 2, r"models\[0\]\.rates\[1\]: expected a tier"),
        (PRICED + RATE + "from_input_tokens = -1\n", r"rates\[0\]\.from_input_tokens: expected 0 to 100000000, not -1"),
        (PRICED + RATE + "from_input_tokens = 100_000_001\n", r"rates\[0\]\.from_input_tokens"),
        (
            PRICED + RATE + "tier = 'flex'\nfrom_input_tokens = 5\n",
            r"models\[0\]\.rates\[0\]: the tier 'flex' needs a rate from 0 tokens",
        ),
        (PRICED + RATE + "tier = 'flex'\ncached_input_usd_per_million = '-1'\n", r"rates\[0\]\.cached_input_usd"),
        (PRICED + "[[models.rates]]\ntier = 'flex'\ninput_usd_per_million = '1'\n", "output_usd_per_million"),
        (PRICED + RATE + "image_usd = '1'\n", "image_usd"),
    ],
)
def test_a_rate_that_cannot_be_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadConfiguration, match=says):
        loaded(tmp_path, text)


SERVED = UPSTREAM + UPSTREAM.replace("local", "other") + "[[models]]\nname = 'm'\nupstream_model = 'up'\n"


def test_names_of_upstreams_are_their_order_and_tables_say_more(tmp_path: Path) -> None:
    (plain,) = loaded(tmp_path, SERVED + "upstreams = ['other', 'local']\n").models
    assert [(one.name, one.rank, one.weight, one.upstream_model) for one in plain.served()] == [
        ("other", 1, 1, "up"),
        ("local", 2, 1, "up"),
    ]
    prices = "input_usd_per_million = '1'\noutput_usd_per_million = '2'\nrequest_usd = '3'\n"
    mixed = "upstreams = [{name = 'other', rank = 2, weight = 3, upstream_model = 'there', image_usd = '4'}, 'local']\n"
    (model,) = loaded(tmp_path, SERVED + prices + mixed).models
    other, local = model.served()
    assert (other.rank, other.weight, other.upstream_model) == (2, 3, "there")
    assert (other.image_usd, other.request_usd, other.input_usd_per_million) == ("4", None, None)
    assert (local.rank, local.request_usd, local.input_usd_per_million) == (2, "3", "1")


@pytest.mark.parametrize(
    ("upstreams", "says"),
    [
        ("[]", r"models\[0\]\.upstreams: expected the name"),
        ("['local', 'else']", r"models\[0\]\.upstreams\[1\]: there is no upstream 'else' \(known: local, other\)"),
        ("['local', {name = 'local'}]", r"models\[0\]\.upstreams\[0\]: expected each upstream once"),
        ("[{name = 'local', weight = 2}, 'other']", r"upstreams\[0\]\.weight: expected another upstream of the same"),
        ("[{name = 'local', rank = 0}]", r"upstreams\[0\]\.rank: expected 1 to 1000"),
        ("[{name = 'local', rank = 1, weight = 0}, {name = 'other', rank = 1}]", r"upstreams\[0\]\.weight: expected 1"),
        ("[{name = 'local', input_usd_per_million = '1'}]", r"upstreams\[0\]: set both input_usd_per_million"),
        ("[{name = 'local', image_usd = 'x'}]", r"models\[0\]\.upstreams\[0\]\.image_usd: "),
        ("[{name = 'local', wieght = 2}]", "wieght"),
    ],
)
def test_an_upstream_of_a_model_that_cannot_be_is_named(tmp_path: Path, upstreams: str, says: str) -> None:
    with pytest.raises(BadConfiguration, match=says):
        loaded(tmp_path, f"{SERVED}upstreams = {upstreams}\n")
