"""`tabard doctor` finds out about an identity provider without any person's token."""

import pytest
from tabard_sidecar.credentials.exchange.examining import examine
from tabard_sidecar.util.findings import Severity

from tests.support.fake_idp import REVOKE, TOKEN, Answer

OK, DOUBT, PROBLEM = Severity.OK, Severity.WARNING, Severity.PROBLEM


REFUSED = Answer(400, {"error": "invalid_grant"})


async def examined(world, what=""):
    """Return what is found of an identity provider, or of a part of it."""
    if what:
        world.idp.answers[TOKEN] = REFUSED
    found = {one.what: one async for one in examine(world.issuer.servers["main"])}
    return found["exchange.main" + what]


@pytest.mark.parametrize(
    ("answer", "severity", "message", "step"),
    [
        (Answer(400, {"error": "invalid_request", "error_description": "Invalid token"}), OK, "accepts", ""),
        (Answer(400, {"error": "invalid_grant"}), OK, "accepts the client side car", ""),
        (Answer(401, {"error": "invalid_client"}), PROBLEM, "invalid_client", "client_id"),
        (Answer(400, {"error": "unsupported_grant_type"}), PROBLEM, "unsupported", "may exchange"),
        (
            Answer(400, {"error": "invalid_request", "error_description": "token exchange is not enabled"}),
            PROBLEM,
            "not enabled",
            "may exchange",
        ),
        (Answer(503), PROBLEM, "HTTP status 503", "token_endpoint"),
        (Answer(404), PROBLEM, "HTTP status 404", "client_id"),
        (Answer(302), PROBLEM, "redirects", "client_id"),
    ],
)
async def test_what_the_answer_tells(world, answer, severity, message, step):
    world.idp.answers[TOKEN] = answer
    found = await examined(world)
    assert (found.what, found.severity) == ("exchange.main", severity)
    assert message in found.message
    assert step in found.next_step
    assert world.idp.exchanges[0]["subject_token"] == "tabard-doctor"


async def test_who_exchanges_anything_is_no_identity_provider(world):
    world.idp.answers[TOKEN] = Answer(body={"access_token": "x"})
    assert (await examined(world)).severity is PROBLEM


async def test_one_that_nobody_runs(world):
    world.idp.close()
    found = await examined(world)
    assert (found.severity, "can't be reached" in found.message) == (PROBLEM, True)


INVALID = {"error": "invalid_token", "error_description": "Invalid token"}
MISSING = Answer(400, {"error": "invalid_request", "error_description": "Token not provided"})


@pytest.mark.parametrize(
    ("answer", "severity", "message"),
    [
        (Answer(), OK, "/revoke accepts the client side car"),
        (Answer(200, INVALID), OK, "accepts"),
        (Answer(400, INVALID), OK, "accepts"),
        (Answer(404), PROBLEM, "HTTP status 404"),
        (Answer(302), PROBLEM, "HTTP status 302"),
        (Answer(503), PROBLEM, "HTTP status 503"),
        (Answer(401, {"error": "invalid_client"}), PROBLEM, "invalid_client"),
        (Answer(400, {"error": "unsupported_grant_type"}), PROBLEM, "unsupported_grant_type"),
        (Answer(400, {"error": "unsupported_token_type"}), PROBLEM, "unsupported_token_type"),
    ],
)
async def test_what_the_revocation_endpoint_answers(world, answer, severity, message):
    """It is asked to revoke what is no token."""
    world.idp.answers[REVOKE] = lambda asked: answer if "token" in asked.body else MISSING
    found = await examined(world, ".revocation_endpoint")
    assert (found.severity, message in found.message) == (severity, True), found
    assert world.idp.asked[-1].path == REVOKE
    assert {
        asked.body.get("token", "tabard-doctor") for asked in world.idp.asked if asked.path == REVOKE
    } == {"tabard-doctor"}


async def test_an_endpoint_that_answers_well_to_everything_is_doubtful(world):
    """As a page that a proxy gives for every path."""
    assert (await examined(world, ".revocation_endpoint")).severity is DOUBT


async def test_a_section_without_a_revocation_endpoint_is_doubtful(world):
    server = world.issuer.servers["main"]
    server.config = server.config.model_copy(update={"revocation_endpoint": None})
    assert (await examined(world, ".revocation_endpoint")).severity is DOUBT
