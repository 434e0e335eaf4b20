"""`tabard doctor` finds out about an identity provider without any person's token."""

import pytest
from tabard_sidecar.credentials.exchange.examining import examine
from tabard_sidecar.util.findings import Severity

from tests.support.fake_idp import TOKEN, Answer

OK, PROBLEM = Severity.OK, Severity.PROBLEM


@pytest.mark.parametrize(
    ("answer", "severity", "message", "step"),
    [
        (Answer(400, {"error": "invalid_request", "error_description": "Invalid token"}), OK, "accepts", ""),
        (Answer(400, {"error": "invalid_grant"}), OK, "accepts the client side car", ""),
        (Answer(401, {"error": "invalid_client"}), PROBLEM, "invalid_client", "client_id"),
        (Answer(400, {"error": "unsupported_grant_type"}), PROBLEM, "unsupported", "may exchange"),
        (Answer(503), PROBLEM, "HTTP status 503", "token_endpoint"),
        (Answer(404), PROBLEM, "HTTP status 404", "client_id"),
        (Answer(302), PROBLEM, "redirects", "client_id"),
    ],
)
async def test_what_the_answer_tells(world, answer, severity, message, step):
    world.idp.answers[TOKEN] = answer
    found = await examine(world.issuer.servers["main"])
    assert (found.what, found.severity) == ("exchange.main", severity)
    assert message in found.message
    assert step in found.next_step
    assert world.idp.exchanges[0]["subject_token"] == "tabard-doctor"


async def test_who_exchanges_anything_is_no_identity_provider(world):
    world.idp.answers[TOKEN] = Answer(body={"access_token": "x"})
    assert (await examine(world.issuer.servers["main"])).severity is PROBLEM


async def test_one_that_nobody_runs(world):
    world.idp.close()
    found = await examine(world.issuer.servers["main"])
    assert (found.severity, "can't be reached" in found.message) == (PROBLEM, True)
