import os
from pathlib import Path

import pytest
from tabard_sidecar.config import insecure_switches, load
from tabard_sidecar.config.sections import LimitsConfig
from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.util.config_file import find_file
from tabard_sidecar.util.problems import SourceError


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "tabard.yaml") -> Path:
        file = tmp_path / name
        file.write_text(text)
        return file

    return write


def loaded(tmp_path, environment=None, assignments=(), explicit=None):
    return load(
        explicit,
        assignments=assignments,
        environment=environment or {},
        directory=tmp_path,
        system_file=tmp_path / "nowhere.yaml",
    )


def problems(tmp_path, **arguments):
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, **arguments)
    return [(p.line, p.column, p.key, p.message, p.next_step) for p in caught.value.problems]


def test_no_file_means_defaults(tmp_path):
    """Without any file every setting has its default."""
    result = loaded(tmp_path)
    assert result.file is None
    assert result.settings.http.listen == "127.0.0.1:9181"
    assert result.origins == {}


def test_strongest_layer_wins(tmp_path, write):
    """A flag beats the environment, which beats the file, which beats the default."""
    write(
        "audit: {keep_days: 2}\nlimits: {max_in_flight: 2, drain_seconds: 2}\nstate: {url: 'sqlite:///a'}\n"
    )
    result = loaded(
        tmp_path,
        environment={"TABARD_LIMITS__MAX_IN_FLIGHT": "3", "TABARD_STATE__URL": "sqlite:///b"},
        assignments=["limits.max_in_flight=4"],
    )
    assert result.settings.limits.max_in_flight == 4
    assert result.settings.limits.drain_seconds == 2
    assert result.settings.state.url == "sqlite:///b"
    assert result.settings.limits.max_message_bytes == 512 * 1024
    assert result.origins == {
        "audit.keep_days": f"{tmp_path / 'tabard.yaml'}:1",
        "limits.drain_seconds": f"{tmp_path / 'tabard.yaml'}:2",
        "limits.max_in_flight": "flag --set limits.max_in_flight",
        "state.url": "environment variable TABARD_STATE__URL",
    }


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path, write):
    """Unknown keys, wrong types, missing keys and repeated keys come together, in order of position."""
    write(
        "zone: Not A Zone\n"
        "htpp:\n"
        "  listen: 127.0.0.1:1\n"
        "introspection:\n"
        "  clients:\n"
        "    - id: billing\n"
        "audit:\n"
        "  keep_days: none\n"
        "  keep_days: 3\n"
        "limits: 5\n"
    )
    found = problems(tmp_path, environment={"TABARD_STAET__URL": "x"}, assignments=["zone"])
    assert [entry[:3] for entry in found if entry[0]] == [
        (1, 7, "zone"),
        (2, 1, "htpp"),
        (6, 7, "introspection.clients.0.audiences"),
        (6, 7, "introspection.clients.0.key_file"),
        (8, 14, "audit.keep_days"),
        (9, 3, ""),
        (10, 9, "limits"),
    ]
    text = "\n".join(f"{message} {step}" for *_, message, step in found)
    assert 'unknown key "htpp" Did you mean "http"?' in text
    assert 'unknown key "staet" Did you mean "state"?' in text
    assert 'the key "keep_days" is repeated, first in line 8' in text
    assert "must be a mapping" in text
    assert "has no value Write --set section.key=value." in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "not YAML"),
        ("a: &x 1\n", "anchors and aliases are not accepted"),
        ("a: *x\n", "anchors and aliases are not accepted"),
        ("a: !!python/object:os.system x\n", "is not accepted"),
        ("--- {}\n--- {}\n", "more than one document"),
        ("- 1\n", "must be a mapping of sections"),
        ("? [a]\n: 1\n", "a key must be a word"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper than 32 levels"),
        ("a: \t- b\n", "not YAML"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(tmp_path, write, text, expected):
    """Syntax errors and the parts of YAML that hide things are refused with a place."""
    write(text)
    assert any(expected in message and line >= 1 for line, _, _, message, _ in problems(tmp_path))


def test_a_file_that_is_too_large_is_refused(tmp_path, write):
    """It isn't read beyond its bound."""
    write("#" * (256 * 1024 + 1))
    ((_, _, _, message, _),) = problems(tmp_path)
    assert "larger than 262144 bytes" in message


def test_deep_nesting_does_not_crash(tmp_path, write):
    """Ten thousand brackets are an error, not a crash."""
    write("a: " + "[" * 10_000)
    assert problems(tmp_path)


def test_not_utf8_is_told_with_its_line(tmp_path):
    """A file in another encoding is refused with the line of the first wrong byte."""
    (tmp_path / "tabard.yaml").write_bytes(b"zone: a\nstate: \xff\n")
    assert problems(tmp_path)[0][:2] == (2, 1)


def test_words_that_old_yaml_reads_as_booleans_need_quotes(tmp_path, write):
    """A zone may be called "no"."""
    write("zone: no\n")
    ((line, column, *_, message, step),) = problems(tmp_path)
    assert (line, column) == (1, 7)
    assert "read differently by YAML" in message
    assert "in quotes" in step
    write('zone: "no"\n')
    assert loaded(tmp_path).settings.zone == "no"


def test_empty_sections_count_as_absent(tmp_path, write):
    """A section whose content is commented out has its defaults."""
    write("http:\nlimits:\n  # max_in_flight: 5\n")
    assert loaded(tmp_path).settings.limits.max_in_flight == 128


def test_lists_and_mappings_come_through_the_environment(tmp_path):
    """Values of the environment are YAML where the setting isn't text."""
    settings = loaded(
        tmp_path,
        environment={
            "TABARD_AUDIT__LABELS": "{pod: a, node: b}",
            "TABARD_INSECURE__CAPABILITIES": "[http.send]",
            "TABARD_ZONE": "5",
        },
    ).settings
    assert settings.audit.labels == {"pod": "a", "node": "b"}
    assert settings.insecure.capabilities == ("http.send",)
    assert settings.zone == "5"


VAULT = """vault:
  main:
    address: https://vault.example:8200
    auth: {method: jwt, role: tabard, token_file: vault-token}
    roles:
      orders-read: {engine: database, name: orders-read, audiences: [postgres://orders]}
"""


def test_a_vault_is_a_section_by_name(tmp_path, write):
    """Its paths count from the file, and the environment reaches into it."""
    write(VAULT)
    settings = loaded(tmp_path, environment={"TABARD_VAULT__MAIN__ADDRESS": "https://other.example"}).settings
    assert settings.vault["main"].address == "https://other.example"
    assert settings.vault["main"].auth.token_file == tmp_path / "vault-token"
    write("vault:\n  # main: {}\n")
    assert loaded(tmp_path).settings.vault == {}


def test_mistakes_in_a_vault_have_their_places(tmp_path, write):
    write(VAULT.replace("engine: database", "engine: databse").replace("token_file", "token_fil"))
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path)
    told = {(problem.key, problem.line) for problem in caught.value.problems}
    assert ("vault.main.auth.token_fil", 4) in told
    assert ("vault.main.roles.orders-read.engine", 6) in told


def test_variables_of_others_are_left_alone(tmp_path):
    """What clients and Kubernetes define under the same prefix isn't configuration."""
    environment = {
        "TABARD_ADDRESS": "unix:/x",
        "TABARD_PORT": "tcp://10.0.0.1:80",
        "TABARD_SERVICE_HOST": "10.0.0.1",
        "TABARD_STATE": "x",
    }
    assert loaded(tmp_path, environment=environment).origins == {}


@pytest.mark.parametrize("service", ["TABARD_AGENT__V2", "TABARD_AUDIT__LABELS__ZONE", "TABARD_POLICY__"])
def test_no_service_of_a_namespace_sets_anything(tmp_path, service):
    """A service may have any name, and the kubelet tells each container of it."""
    environment = {
        f"{service}_SERVICE_HOST": "10.0.0.1",
        f"{service}_SERVICE_PORT": "80",
        f"{service}_SERVICE_PORT_HTTP": "80",
        f"{service}_PORT": "tcp://10.0.0.1:80",
        f"{service}_PORT_80_TCP": "tcp://10.0.0.1:80",
        f"{service}_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert loaded(tmp_path, environment=environment).origins == {}
    # Without a service of that name it is a setting.
    only = {"TABARD_AUDIT__LABELS__ZONE_SERVICE_HOST": "x"}
    assert loaded(tmp_path, environment=only).settings.audit.labels == {"zone_service_host": "x"}


def test_relative_paths_count_from_the_file(tmp_path, write):
    """Paths of the file, of flags and of defaults all count from the file's directory."""
    (tmp_path / "etc").mkdir()
    file = write("audit: {sink: file, path: log/a.jsonl}\npolicy: {path: /abs}\n", "etc/tabard.yaml")
    settings = loaded(tmp_path, explicit=file, assignments=["catalogue.path=tools.yaml"]).settings
    base = tmp_path / "etc"
    assert settings.audit.path == base / "log/a.jsonl"
    assert settings.catalogue.path == base / "tools.yaml"
    assert settings.keys.directory == base / "keys"
    assert settings.policy.path == Path("/abs")


def test_paths_in_lists_are_anchored(tmp_path, write):
    """Paths deep inside lists are treated like all others."""
    write(
        "introspection:\n  listen: 127.0.0.1:0\n  clients:\n    - {id: a, key_file: a.key, audiences: [x]}\n"
    )
    assert loaded(tmp_path).settings.introspection.clients[0].key_file == tmp_path / "a.key"


def test_lookup_order(tmp_path):
    """Flag, variable, working directory, system."""
    local, system = tmp_path / "tabard.yaml", tmp_path / "system.yaml"
    flag, variable = Path("flag.yaml"), Path("variable.yaml")
    where = {"directory": tmp_path, "system_file": system}
    assert find_file(None, {}, **where) is None
    system.touch()
    assert find_file(None, {}, **where) == system
    local.touch()
    assert find_file(None, {}, **where) == local
    assert find_file(None, {"TABARD_CONFIG": "variable.yaml"}, **where) == variable
    assert find_file(flag, {"TABARD_CONFIG": "variable.yaml"}, **where) == flag


def test_missing_named_file_is_an_error(tmp_path):
    """A file that was named must exist; the message says how to make one."""
    ((_, _, _, message, step),) = problems(tmp_path, explicit=tmp_path / "gone.yaml")
    assert "No such file" in message
    assert "tabard init" in step


def test_file_that_anybody_may_write_is_refused(tmp_path, write):
    """A user who can write the configuration decides everything."""
    os.chmod(write("zone: a\n"), 0o646)  # noqa: PTH101, S103
    ((_, _, _, message, step),) = problems(tmp_path)
    assert "every user can write to it" in message
    assert "chmod go-w" in message
    assert step == ""


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("listen", f"{{agent: 'unix:/{'x' * 107}'}}", "the path is 108 bytes long"),
        ("listen", "{agent: 'unix://tmp/s'}", "write unix:/tmp/s"),
        ("listen", "{agent: '127.0.0.1:80'}", "is not a unix socket"),
        ("http", "{listen: nonsense}", "is neither host:port nor unix:/path"),
        ("http", "{listen: '127.0.0.1:70000'}", "is neither host:port nor unix:/path"),
        ("http", "{listen: '::1:80'}", "put the IPv6 address in brackets"),
        ("http", "{listen: ':80'}", "names no host"),
        ("introspection", "{listen: '127.0.0.1:1'}", "at least one client"),
        (
            "introspection",
            "{listen: '0.0.0.0:1', clients: [{id: a, key_file: k, audiences: [x]}]}",
            "would be sent unencrypted",
        ),
        ("introspection", "{tls_key_file: k}", "belong together"),
        ("listen", "{agent: 'unix:/a/b/s', operator: 'unix:/a/b/t'}", "in the agents' directory"),
        ("listen", "{agent: 'unix:/a/s', operator: 'unix:/a/b/t'}", "in the agents' directory"),
        ("listen", "{agent: 'unix:a/s', operator: 'unix:./a/../a//t'}", "in the agents' directory"),
        (
            "listen",
            "{agent: 'unix:/a/s', operator: 'unix:/b/t', health: 'unix:/a/h'}",
            "in the agents' directory",
        ),
        ("audit", "{sink: file}", "needs audit.path"),
        ("audit", "{path: x}", "the sink is stdout"),
        ("audit", "{sink: syslog}", "'stdout' or 'file'"),
        ("insecure", "{agent_id: bob}", "must match"),
        ("telemetry", "{otlp_endpoint: 'http://user:pw@host'}", "must match"),
    ],
)
def test_values_that_cannot_work_are_refused(tmp_path, write, section, value, expected):
    """What couldn't work is told when the configuration is read, not when it is used."""
    write(f"{section}: {value}\n")
    found = problems(tmp_path)
    assert any(expected in message for *_, message, _ in found), found
    assert {line for line, *_ in found} == {1}


def test_every_insecure_switch_is_named(tmp_path):
    """Each field of the section that is set shows up in the warning at start."""
    settings = load(
        assignments=[
            "insecure.agent_id=spiffe://x/y",
            "insecure.local_subjects=k",
            "insecure.accept_asserted_intent=true",
            "insecure.tasks_per_token=5",
            "insecure.allow_http=true",
            "insecure.audit_optional=true",
            "insecure.capabilities=[http.send]",
            "insecure.observe=[support]",
            "catalogue.path=catalogue.yaml",
        ],
        environment={},
        system_file=tmp_path / "absent",
        directory=tmp_path,
    ).settings
    named = {line.split(":")[0].removeprefix("insecure.") for line in insecure_switches(settings.insecure)}
    assert named == set(type(settings.insecure).model_fields)
    assert insecure_switches(type(settings.insecure)()) == []


EXCHANGE = """
identity:
  issuers: [{issuer: "https://login.example", audiences: [tabard, tabard-too]}]
approvals: {audience: desk}
limits: {request_seconds: 5}
exchange:
  staff:
    token_endpoint: https://login.example/token
    subject_issuer: https://login.example
    client_id: tabard
    client_secret_file: /etc/tabard/client-secret
    CHANGE
    audiences: AUDIENCES
"""


@pytest.mark.parametrize(
    ("audiences", "text"),
    [
        (
            "{orders: {}, tabard-too: {}}",
            "tabard-too means tabard-too, which is in the audiences of identity.issuers",
        ),
        ("{desk: {}}", "desk means desk, which is in approvals.audience"),
        (
            "{orders: {resource: tabard}}",
            "orders means tabard, which is in the audiences of identity.issuers",
        ),
    ],
)
def test_no_agent_gets_tokens_that_the_zone_itself_accepts(write, tmp_path, audiences, text):
    write(EXCHANGE.replace("CHANGE", "").replace("AUDIENCES", audiences))
    assert text in problems(tmp_path)[0][3]


def test_backends_may_be_exchanged_for(write, tmp_path):
    write(EXCHANGE.replace("CHANGE", "").replace("AUDIENCES", "{orders: {}}"))
    assert loaded(tmp_path).settings.exchange["staff"].audiences


@pytest.mark.parametrize("seconds", ["5", "6"])
def test_an_issuer_gives_up_before_the_request_does(write, tmp_path, seconds):
    """So that the caller learns the issuer's reason."""
    text = EXCHANGE.replace("AUDIENCES", "{orders: {}}")
    write(text.replace("CHANGE", f"timeout_seconds: {seconds}"))
    assert f"exchange.staff.timeout_seconds is {seconds}" in problems(tmp_path)[0][3]
    write(text.replace("CHANGE", "").replace("request_seconds: 5", "request_seconds: 3"))
    assert "limits.request_seconds 3" in problems(tmp_path)[0][3]


def test_by_default_every_issuer_gives_up_before_the_request_does():
    limit = LimitsConfig().request_seconds
    for config in (ExchangeConfig, VaultConfig):
        assert config.model_fields["timeout_seconds"].default <= limit - 1
