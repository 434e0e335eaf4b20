"""The examples of the documentation are acceptable configuration, and its example intent an acceptable intent."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tabard.caveats import limits_from_json
from tabard_sidecar.identity import IdentityConfig, InsecureIdentity, build_identity
from tabard_sidecar.identity.conf import HandoverConfig

from tests.support.tokens import FakeClock

DOCS = Path(__file__).parents[3] / "docs"


def examples(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", ["identity.md", "reference/intent.md"])
def test_every_configuration_example_builds(page):
    found = [yaml.safe_load(text) for text in examples(page, "yaml")]

    assert found
    for document in found:
        config = IdentityConfig.model_validate(document.get("identity", {}))
        accept = HandoverConfig.model_validate(document.get("handover", {})).accept
        build_identity(config, zone="support", insecure=InsecureIdentity(), clock=FakeClock(), accept=accept)


def test_the_example_intent_holds_what_it_has_to():
    header, claims = (json.loads(text) for text in examples("reference/intent.md", "json"))

    assert header["typ"] == "tabard-intent+jwt"
    assert limits_from_json(claims["limits"]).tools == ("refunds.*", "orders.read")
    assert claims["exp"] - claims["iat"] <= 300


def test_every_claim_that_an_intent_needs_is_documented():
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "reference/intent.md").read_text(), re.MULTILINE))

    assert {"iss", "aud", "sub", "sub_iss", "purpose", "statement", "jti", "exp", "limits"} <= documented
