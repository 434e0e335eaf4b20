import pytest
from pydantic import ValidationError
from tabard_sidecar.config import Settings
from tabard_sidecar.credentials.exchange.conf import ExchangeConfig, exchange_scopes

from tests.support.tokens import ISSUER

GOOD = {
    "token_endpoint": "https://idp.example/token",
    "subject_issuer": ISSUER,
    "client_id": "sidecar",
    "client_secret_file": "/secret",
    "audiences": {"orders": {"scopes": ["orders:read"]}},
}


def problem(**changes) -> str:
    """Return why a section isn't accepted."""
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        ExchangeConfig.model_validate(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"token_endpoint": "ftp://idp.example/token"}, "must be https"),
        ({"token_endpoint": "https:///token"}, "must be https"),
        ({"token_endpoint": "https://u:p@idp.example/token"}, "scheme, host, port and path"),
        ({"token_endpoint": "https://idp.example/token?x=1"}, "scheme, host, port and path"),
        ({"token_endpoint": "https://[::1/token"}, "can't be parsed"),
        ({"token_endpoint": "https://idp.example:0/token"}, "must be https"),
        ({"revocation_endpoint": "https://idp.example/revoke#x"}, "scheme, host, port and path"),
        ({"client_secret_file": None}, "set one of"),
        ({"assertion_file": "/token"}, "set one of"),
        ({"key_id": "k"}, "belong to private_key_file"),
        ({"assertion_audience": "a"}, "belong to private_key_file"),
        ({"opaque": True, "actor_token_file": "/a"}, "can't be with opaque"),
        ({"opaque": True, "actor_token_grant": "client_credentials"}, "can't be with opaque"),
        (
            {"actor_token_file": "/a", "actor_token_grant": "client_credentials"},
            "set one of actor_token_file",
        ),
        ({"actor_token_grant": "password"}, "client_credentials"),
        ({"audiences": {}}, "at least 1"),
        ({"audiences": {"orders": {"scopes": ["a b"]}}}, "pattern"),
        ({"audiences": {"orders": {"scopes": ['a"']}}}, "pattern"),
        ({"audiences": {"orders": {"max_ttl_seconds": 0}}}, "greater than or equal"),
        ({"max_connections": 0}, "greater than or equal"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, text):
    assert text in problem(**changes)


def test_an_audience_is_in_one_place_for_each_issuer():
    twice = {"a": GOOD, "b": GOOD}
    with pytest.raises(ValidationError, match="in a and in b for the same subject_issuer"):
        Settings.model_validate({"exchange": twice})
    other = GOOD | {"subject_issuer": "https://other", "audiences": {"orders": {"scopes": ["orders:write"]}}}
    settings = Settings.model_validate({"exchange": {"a": GOOD, "b": other}})
    assert exchange_scopes(settings.exchange) == {"orders": {"orders:read", "orders:write"}}


def test_other_issuers_and_plain_http_stop_the_start(make_world):
    with pytest.raises(ValueError, match=r"isn't one of identity\.issuers"):
        make_world(subject_issuer="https://elsewhere.example")
    for name in ("token_endpoint", "revocation_endpoint"):
        with pytest.raises(ValueError, match=r"insecure\.allow_http"):
            make_world(allow_http=False, **{name: "http://127.0.0.1:8080/token"})


def test_a_ca_file_that_cannot_be_read_stops_the_start(make_world, tmp_path):
    with pytest.raises(ValueError, match="no CA certificates"):
        make_world(ca_file=tmp_path / "none.pem")
