"""Configuration: what wins over what, and what a person reads when something is wrong."""

import re
from urllib.parse import quote

import pytest

from agent.config import Config, Secret, load
from agent.config.settings import environment_names
from agent.errors import ConfigError
from tests.fakes.certificates import make_certificate
from tests.paths import ROOT

GOOD = {"DASHBOARD_URL": "https://dashboard.example", "API_KEY": "mlrd_abc_def"}


def load_from(env, tmp_path, *, toml=None, env_file=None, **kwargs):
    path = None
    if toml is not None:
        path = tmp_path / "agent.toml"
        path.write_text(toml)
    if env_file is not None:
        (tmp_path / ".agent.env").write_text(env_file)
    return load(env, toml_path=path, directory=tmp_path, **kwargs)


def complaint(env, tmp_path, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_from(env, tmp_path, **kwargs)
    return str(caught.value)


def test_the_environment_wins_over_the_env_file_and_that_over_toml(tmp_path):
    toml = 'node_id = "from-toml"\nnode_role = "from-toml"\nlog_level = "debug"\n'
    env_file = 'NODE_ID=from-file\nexport NODE_ROLE="from-file"\n# a comment\n\n'

    config = load_from(
        GOOD | {"NODE_ID": "from-env"}, tmp_path, toml=toml, env_file=env_file
    ).config

    assert (config.node_id, config.node_role) == ("from-env", "from-file")
    assert config.log_level == "debug"


def test_every_table_is_read(tmp_path):
    toml = """
    [discovery]
    zonemta_mongodb_uri = "mongodb://127.0.0.1:27017/zone-mta?replicaSet=rs0"
    [intervals]
    system_s = 30
    [backend]
    url = "https://other.example/"
    api_key = "from-toml"
    [spool]
    max_event_bytes = 2097152
    [events]
    grace_s = 2.5
    [receiver]
    enabled = false
    """

    config = load_from({}, tmp_path, toml=toml).config

    assert config.intervals.system_s == 30
    assert config.backend.url == "https://other.example"
    assert config.spool.max_event_bytes == 2_097_152
    assert config.events.grace_s == 2.5
    assert not config.receiver.enabled
    assert config.discovery.zonemta_mongodb_uri


def test_the_heartbeat_is_in_milliseconds(tmp_path):
    config = load_from(GOOD | {"HEARTBEAT_INTERVAL": "5000"}, tmp_path).config

    assert config.intervals.system_s == 5


def test_any_setting_can_come_from_the_environment(tmp_path):
    env = GOOD | {"AGENT_EVENTS_GRACE_S": "3", "AGENT_RECEIVER_ENABLED": "false"}

    config = load_from(env, tmp_path).config

    assert config.events.grace_s == 3
    assert not config.receiver.enabled


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"AGENT_EVENTS_GRCE_S": "3"}, ["environment", "AGENT_EVENTS_GRCE_S", "_GRACE_S"]),
        ({"AGENT_ZONEMTA_MONGO_URI": "x"}, ["AGENT_ZONEMTA_MONGODB_URI"]),
        ({"HEARTBEAT_INTERVAL": "soon"}, ["environment", "HEARTBEAT_INTERVAL", "'soon'"]),
        ({"HEARTBEAT_INTERVAL": "5"}, ["HEARTBEAT_INTERVAL", ">= 1", "milliseconds"]),
        ({"LOG_LEVEL": "loud"}, ["LOG_LEVEL", "'loud'", "debug, info, warning, error"]),
        ({"NODE_ID": "mta\u202e01"}, ["NODE_ID", "\\u202e", "invisible"]),
        ({"NODE_ROLE": "zonemta\u202e"}, ["NODE_ROLE", "\\u202e", "invisible"]),
        ({"DASHBOARD_URL": "https://d.exam ple"}, ["DASHBOARD_URL", "not an address"]),
        ({"DASHBOARD_URL": "https://bücher.example"}, ["DASHBOARD_URL", "xn--"]),
        ({"NODE_ID": "n" * 65}, ["NODE_ID", "64"]),
        ({"DASHBOARD_URL": "dashboard.example"}, ["DASHBOARD_URL", "https://"]),
        ({"DASHBOARD_URL": "https://u:p@d.example"}, ["DASHBOARD_URL", "only scheme"]),
        ({"DASHBOARD_URL": "https://d.example:port"}, ["DASHBOARD_URL", "not an address"]),
        ({"API_KEY": "two words"}, ["API_KEY", "space"]),
        ({"AGENT_ZONEMTA_MONGODB_URI": "mongodb://h:1"}, ["MONGODB_URI", "database"]),
        ({"AGENT_ZONEMTA_MONGODB_URI": "h:1/zone-mta"}, ["MONGODB_URI", "mongodb://"]),
    ],
)
def test_a_wrong_variable_is_named_with_its_fix(env, words, tmp_path):
    text = complaint(GOOD | env, tmp_path)

    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[backend]\nurll = 'x'", ["agent.toml", "[backend] urll", "'url'"]),
        ("[bakend]\nurl = 'x'", ["agent.toml", "[bakend]", "'backend'"]),
        ("nodeid = 'x'", ["agent.toml", "nodeid", "'node_id'"]),
        ("backend = 5", ["agent.toml", "[backend]"]),
        ("[intervals]\nsystem_s = '15'", ["agent.toml", "[intervals] system_s", "float"]),
        ("[intervals]\nsystem_s = 0", ["agent.toml", "[intervals] system_s", ">= 1"]),
        ("[backend]\napi_key = 5", ["agent.toml", "[backend] api_key"]),
        ("node_id = ", ["agent.toml", "TOML"]),
    ],
)
def test_a_wrong_key_of_the_file_is_named_with_its_fix(toml, words, tmp_path):
    text = complaint(GOOD, tmp_path, toml=toml)

    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("env", "toml", "words"),
    [
        ({"NODE_ROLE": "zonemta-outbond"}, "", ["NODE_ROLE", "'outbond'", "'outbound'"]),
        ({"NODE_ROLE": "zonetma"}, "", ["NODE_ROLE", "'zonemta'"]),
        ({"NODE_ID": "mail/mta-01"}, "", ["NODE_ID", "slash", "mta-01"]),
        ({"NODE_ID": "mta 01"}, "", ["NODE_ID", "blank"]),
        (
            {"DASHBOARD_URL": "https://d.example/mallard"},
            "",
            ["/mallard", "Write https://d.example."],
        ),
        ({}, 'url = "https://d.example"', ["url", "Move it to [backend]"]),
        ({}, '[backend]\nnode_id = "mta-01"', ["[backend] node_id", "Move it to the top"]),
        ({}, "[spool]\ngrace_s = 2", ["[spool] grace_s", "Move it to [events]"]),
    ],
)
def test_a_mistake_that_would_go_unnoticed_is_refused_with_its_fix(env, toml, words, tmp_path):
    text = complaint(GOOD | env, tmp_path, toml=toml)

    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    "role", ["", "backup-mx", "all-in-one", "zone-mta", "haraka-inbound rspamd"]
)
def test_any_other_role_is_accepted(role, tmp_path):
    assert load_from(GOOD | {"NODE_ROLE": role}, tmp_path).config.node_role == role


@pytest.mark.parametrize("name", ["AGENT_ZONEMTA_MONGODB_URI", "AGENT_DISCOVERY_MONGODB_URI"])
@pytest.mark.parametrize(
    "login",
    [
        "mallard:p@ss",
        "mallard:pa/ss",
        "mallard:pa:ss",
        "mal@lard:pass",
        "mallard:pa?ss",
        "mallard:pa%ss",
    ],
)
def test_a_password_that_is_not_escaped_is_refused_and_not_repeated(name, login, tmp_path):
    uri = f"mongodb://{login}@127.0.0.1:27017/zone-mta?authSource=admin"

    text = complaint(GOOD | {name: uri}, tmp_path)

    assert "%40" in text
    assert not any(
        part in text for part in ("ss@", "pa/", "pa:", "p@", "pa?", "pa%", "mallard", "mal@")
    )


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("h1,h2:x/zone-mta", "host"),
        ("h1:70000/zone-mta", "port"),
        ("h1:0/zone-mta", "port"),
        ("h1,,h2/zone-mta", "host"),
        ("[hush/zone-mta", "host"),
        ("h1/zone-mta?replicaSet", "option 1 after the ?"),
        ("h1/zone-mta?w=1&replicaSet=", "option 2 after the ?"),
        ("h1/zone-mta?tls=hush", "tls in"),
    ],
)
def test_hosts_and_options_of_a_mongodb_are_checked(place, words, tmp_path):
    text = complaint(GOOD | {"AGENT_ZONEMTA_MONGODB_URI": f"mongodb://u:p@{place}"}, tmp_path)

    assert "AGENT_ZONEMTA_MONGODB_URI" in text
    assert words in text
    assert "hush" not in text


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://[2001:db8::1]:27017,db-2.example/zone-mta?replicaSet=rs0&tls=true",
        "mongodb://%2Frun%2Fmongodb-27017.sock/zone-mta",
        "mongodb://us%40er:p%25@localhost/zone-mta?w=1;journal=true",
        "mongodb+srv://cluster.example/zone-mta",
    ],
)
def test_an_address_of_a_mongodb_as_its_drivers_read_it_is_accepted(uri, tmp_path):
    made = load_from(GOOD | {"AGENT_ZONEMTA_MONGODB_URI": uri}, tmp_path).config

    assert made.discovery.zonemta_mongodb_uri.reveal() == uri


def test_an_escaped_password_is_accepted(tmp_path):
    uri = "mongodb://mallard:p%40%2F%3Ass@db1,db2:27018/zone-mta?replicaSet=rs0&appName=a@b"

    load_from(GOOD | {"AGENT_ZONEMTA_MONGODB_URI": uri}, tmp_path)


def test_an_unknown_name_in_the_env_file_is_an_error_whatever_its_prefix(tmp_path):
    text = complaint(GOOD, tmp_path, env_file="DASHBORD_URL=https://x.example\n")

    assert ".agent.env" in text
    assert "'DASHBOARD_URL'" in text


def test_a_line_of_the_env_file_without_an_equals_sign_is_named(tmp_path):
    assert "line 2" in complaint(GOOD, tmp_path, env_file="NODE_ID=a\nNODE_ROLE\n")


def test_a_named_file_that_is_not_there_is_an_error(tmp_path):
    text = complaint(GOOD | {"AGENT_CONFIG": str(tmp_path / "none.toml")}, tmp_path)

    assert "none.toml" in text


@pytest.mark.parametrize("missing", ["DASHBOARD_URL", "API_KEY"])
def test_what_is_missing_says_how_to_set_it(missing, tmp_path):
    env = {name: value for name, value in GOOD.items() if name != missing}

    text = complaint(env, tmp_path)

    assert text.startswith(f"{missing} is not set")
    assert ".agent.env" in text


def test_what_sends_nothing_needs_no_server(tmp_path):
    assert load_from({}, tmp_path, backend_needed=False).config.backend.url == ""


def test_other_programs_variables_are_not_our_business(tmp_path):
    assert load_from(GOOD | {"PATH": "/bin", "FOO": "bar"}, tmp_path)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://dashboard.example", True),
        ("http://192.0.2.1:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://localhost", False),
        ("https://dashboard.example", False),
    ],
)
def test_a_key_in_the_clear_is_warned_of(url, warned, tmp_path):
    warnings = load_from(GOOD | {"DASHBOARD_URL": url}, tmp_path).warnings

    assert bool(warnings) is warned


def test_a_key_never_shows_itself(tmp_path):
    uri = "mongodb://u:pass-word@h/zone-mta"
    config = load_from(GOOD | {"AGENT_ZONEMTA_MONGODB_URI": uri}, tmp_path).config

    shown = f"{config!r} {config.backend.api_key} {config.backend.api_key!r}"

    assert GOOD["API_KEY"] not in shown
    assert "pass-word" not in shown
    assert config.backend.api_key == Secret(GOOD["API_KEY"])


def test_a_wrong_key_is_not_repeated_in_the_complaint(tmp_path):
    assert "hush hush" not in complaint(GOOD | {"API_KEY": "hush hush"}, tmp_path)


@pytest.mark.parametrize("token", ["", "too short"])
def test_the_plugins_door_on_the_network_needs_a_token(token):
    with pytest.raises(ConfigError, match="needs a tcp_token"):
        load(
            {"AGENT_RECEIVER_TCP_PORT": "2580", "AGENT_RECEIVER_TCP_TOKEN": token},
            backend_needed=False,
        )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("alerts.example/hush-hush", "is no address"),
        ("ftp://alerts.example/hush-hush", "is no address"),
        ("https:///hush-hush", "is no address"),
        ("https://alerts.example:99999/hush-hush", "is no address"),
        ("https://alerts.example/hush hush", "is no address"),
        ("https://alerts.example/hush-hush\u00e9", "is no address"),
        ("https://me:hush-hush@alerts.example/", "not supported"),
        ("https://alerts.example/#hush-hush", "not supported"),
    ],
    ids=["scheme", "ftp", "host", "port", "blank", "accent", "user", "fragment"],
)
def test_a_webhook_that_is_none_is_refused_and_not_repeated(url, words):
    with pytest.raises(ConfigError, match=r"url in \[outage_webhook\]") as caught:
        load({"AGENT_OUTAGE_WEBHOOK_URL": url}, backend_needed=False)
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_webhook_on_the_servers_host_is_warned_of(tmp_path):
    host = GOOD["DASHBOARD_URL"]
    loaded = load_from(GOOD | {"AGENT_OUTAGE_WEBHOOK_URL": f"{host}:8443/x"}, tmp_path)
    (warning,) = loaded.warnings
    assert "is the host of the server" in warning


def test_the_secret_of_a_webhook_needs_its_address():
    with pytest.raises(ConfigError, match="needs the url"):
        load({"AGENT_OUTAGE_WEBHOOK_SECRET": "x"}, backend_needed=False)


def test_a_mode_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="AGENT_RECEIVER_SOCKET_MODE"):
        load({"AGENT_RECEIVER_SOCKET_MODE": "rw-rw----"}, backend_needed=False)


def test_every_setting_is_documented_with_its_variable_and_its_default():
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_.0-9]+)` \| (.*)$", text, re.MULTILINE))
    variables = {".".join(key): name for name, key in environment_names().items()}

    assert rows.keys() == variables.keys()
    for key, name in variables.items():
        variable, default, _ = rows[key].split(" | ")
        assert variable.startswith(f"`{name}`"), key
        table, _, field = key.rpartition(".")
        value = getattr(getattr(Config(node_id="a"), table) if table else Config, field, None)
        if isinstance(value, bool):
            assert default == str(value).lower(), key
        elif isinstance(value, int | float):
            assert default.partition(":")[0] == f"{value:.15g}", key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENT_DISCOVERY_REDIS_URL", "http://127.0.0.1"),
        ("AGENT_DISCOVERY_REDIS_URL", "redis://h:x"),
        ("AGENT_DISCOVERY_REDIS_URL", "unix://"),
        ("AGENT_DISCOVERY_MONGODB_URI", "mongodb://a,b/"),
        ("AGENT_DISCOVERY_MONGODB_URI", "mongodb://"),
        ("AGENT_DISCOVERY_MONGODB_URI", "10.0.0.1"),
        ("AGENT_DISCOVERY_WILDDUCK_MONGODB_URI", "mongodb://secret:hush@a/"),
        ("AGENT_DISCOVERY_RSPAMD_URL", "127.0.0.1:11334"),
        ("AGENT_DISCOVERY_WILDDUCK_API_URL", "http://user:hush@127.0.0.1:8080"),
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(tmp_path, name, value):
    message = complaint(GOOD | {name: value}, tmp_path)

    assert name.removeprefix("AGENT_DISCOVERY_").lower() in message.lower()
    assert "hush" not in message


@pytest.mark.parametrize(
    "name",
    ["AGENT_DISCOVERY_REDIS_URL", "AGENT_DISCOVERY_MONGODB_URI", "AGENT_DISCOVERY_RSPAMD_URL"],
)
def test_an_empty_address_switches_its_source_off(tmp_path, name):
    made = load_from(GOOD | {name: ""}, tmp_path).config.discovery

    assert not getattr(made, name.removeprefix("AGENT_DISCOVERY_").lower())


def test_a_node_without_a_name_is_called_by_host_and_machine(tmp_path):
    from agent.config.identity import default_node_id

    assert load_from(GOOD, tmp_path).config.node_id == default_node_id()


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://127.0.0.1/zone-mta?tls=true", "mongodb://127.0.0.1/zone-mta?tls=true&{}"),
        ("mongodb://127.0.0.1/zone-mta?ssl=true", "mongodb://127.0.0.1/zone-mta?ssl=true&{}"),
        ("mongodb+srv://set.example/zone-mta", "mongodb+srv://set.example/zone-mta?{}"),
        ("mongodb://127.0.0.1/zone-mta", "mongodb://127.0.0.1/zone-mta"),
        ("mongodb+srv://set.example/zone-mta?tls=false", None),
        ("mongodb://127.0.0.1/zone-mta?tls=true&tlsCAFile=/own.pem", None),
    ],
)
def test_the_authority_of_local_programs_is_mongodbs_too_unless_it_names_its_own(
    tmp_path, uri, expected
):
    made = make_certificate(tmp_path)
    ca_file = made.certificate.rename(tmp_path / "my ca.pem")
    environ = {
        "AGENT_ZONEMTA_MONGODB_URI": uri,
        "AGENT_DISCOVERY_WILDDUCK_MONGODB_URI": uri,
        "AGENT_DISCOVERY_CA_FILE": str(ca_file),
    }

    discovery = load_from(environ, tmp_path, backend_needed=False).config.discovery

    option = f"tlsCAFile={quote(str(ca_file), safe='')}"
    wanted = (expected or uri).format(option)
    assert discovery.zonemta_mongodb_uri.reveal() == wanted
    assert discovery.wildduck_mongodb_uri.reveal() == wanted


def test_a_ca_file_of_local_programs_without_a_certificate_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")

    environ = GOOD | {"AGENT_DISCOVERY_CA_FILE": str(tmp_path / "ca.pem")}
    text = complaint(environ, tmp_path)

    assert "ca_file of [discovery]" in text
