"""A stream whose caller doesn't read."""

from __future__ import annotations

import asyncio

from tabard.authz.v1 import authorization_service_pb2 as authorization_pb
from tabard_sidecar.server import errors
from tabard_sidecar.server.registration import Unread
from tabard_sidecar.server.services import STREAM_IN_FLIGHT, AuthorizationServicer

REQUESTS = 10 * STREAM_IN_FLIGHT


class Refusing:
    """An edge that has an answer at once."""

    async def admit(self, _work):
        return authorization_pb.AuthorizeResult()

    def unread(self, _request):
        pass


async def test_no_more_answers_wait_than_requests_may_be_in_flight():
    """A caller that sends and never reads fills no memory; once it reads, it gets everything."""
    sent = []

    async def requests():
        for number in range(REQUESTS):
            sent.append(number)
            if number % 2:
                yield Unread(errors.malformed())
            else:
                yield authorization_pb.StreamAuthorizeRequest(correlation_id=str(number))
            await asyncio.sleep(0)

    servicer = AuthorizationServicer(None, None, None, None, Refusing(), str)
    answers = servicer.StreamAuthorize(requests(), None)
    got = [await anext(answers)]
    for _ in range(4 * REQUESTS):
        await asyncio.sleep(0)
    assert len(sent) <= STREAM_IN_FLIGHT + 2
    got += [answer async for answer in answers]
    assert len(got) == len(sent) == REQUESTS
