"""The zone's keys and the token for the control service are named by no other setting, which would send them to a server."""

import pytest
from tabard_sidecar.config import load
from tabard_sidecar.util.problems import SourceError

KEYRING = "{directory: keys/ring}"
SENDING = {
    "password": (
        "state: {url: 'rediss://redis.example.org:6379/0', redis: {password_file: FILE}}",
        "state.redis.password_file",
    ),
    "catalogue": ("catalogue: {path: FILE}", "catalogue.path"),
    "vault": (
        "vault: {main: {address: 'https://vault.example.org', auth: {method: kubernetes, role: r, token_file: FILE}, roles: {}}}",
        "vault.main.auth.token_file",
    ),
    "issuer": (
        "identity: {issuers: [{issuer: 'https://login.example.org', audiences: [a], jwks_url: 'https://login.example.org/k', bearer_token_file: FILE}]}",
        "identity.issuers.0.bearer_token_file",
    ),
    "opa": (
        "policy: {remote: {url: 'https://opa.example.org', token_file: FILE}}",
        "policy.remote.token_file",
    ),
}


def problem(folder, keys, text, file):
    path = folder / "tabard.yaml"
    path.write_text(f"keys: {keys}\n{text.replace('FILE', file)}\n")
    with pytest.raises(SourceError) as caught:
        load(path)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """A keyring and a token as a kubelet lays one out, and other ways to them."""
    (tmp_path / "keys/ring").mkdir(parents=True)
    (tmp_path / "keys/ring/root-1.json").write_text("{}")
    (tmp_path / "control/..2026").mkdir(parents=True)
    (tmp_path / "control/..2026/token").write_text("t")
    (tmp_path / "control/..data").symlink_to("..2026")
    (tmp_path / "control/token").symlink_to("..data/token")
    (tmp_path / "control/..2026/other").write_text("t")
    (tmp_path / "linked").symlink_to("keys/ring")
    return tmp_path


@pytest.mark.parametrize("case", SENDING)
@pytest.mark.parametrize(
    "file", ["keys/ring/root-1.json", "linked/root-1.json", "keys/../keys/ring/root-1.json"]
)
def test_no_key_of_the_zone_is_sent_anywhere(folder, case, file):
    text, key = SENDING[case]
    found = problem(folder, KEYRING, text, file)
    assert "is of keys.directory, which only the sidecar itself uses; name a file of its own" in found
    assert key.rpartition(".")[2] in found


@pytest.mark.parametrize("case", SENDING)
@pytest.mark.parametrize("file", ["control/token", "control/..data/token", "control/..2026/token"])
def test_the_token_for_the_control_service_goes_nowhere_else(folder, case, file):
    control = "{control: {url: 'https://control.example.org', token_file: control/token}}"
    text, _ = SENDING[case]
    assert "is of keys.control.token_file" in problem(folder, control, text, file)


def test_a_neighbours_file_is_accepted(folder):
    path = folder / "tabard.yaml"
    control = "{control: {url: 'https://control.example.org', token_file: control/token}}"
    text, _ = SENDING["password"]
    path.write_text(f"keys: {control}\n{text.replace('FILE', 'control/..data/other')}\n")
    assert load(path).settings.state.redis.password_file == folder / "control/..data/other"
