"""The ConfigMaps with the authority: each labelled namespace has one, and who spoils one hinders no other."""

from __future__ import annotations

import pytest
from tabard_sidecar.certificates.pairs import new_authority, pem
from tabard_sidecar.certificates.publishing_pods import ConfigMapPlace
from tabard_sidecar.kubernetes.api import ApiError, UnreadableError

from tests.support.kube_objects import FakeObjects

NAME, OWN = "tabard-control-ca", "tabard-system"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/tabard-control"
FIRST, SECOND = (new_authority(name, 1_000_000.0, 9e5).certificate for name in ("first", "second"))


def path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"


@pytest.fixture
def api() -> FakeObjects:
    api = FakeObjects()
    for name in (OWN, "one", "two"):
        api.put(f"/api/v1/namespaces/{name}", {"metadata": {}})
    api.put(ROLE, {"metadata": {"uid": "u-1"}})
    return api


def run(work):
    """Run a coroutine whose pauses are the fake's."""
    while True:
        try:
            work.send(None)
        except StopIteration as ended:
            return ended.value


def look(api: FakeObjects, bundle=(FIRST,), place: ConfigMapPlace | None = None):
    place = place or ConfigMapPlace(api, OWN, NAME, "tabard-control")
    found = run(place.read())
    return found, run(place.publish(found, bundle))


def test_each_namespace_gets_it_and_then_it_counts_as_published(api: FakeObjects):
    found, changed = look(api)
    assert (found.authorities, changed) == (None, True)
    found, changed = look(api)
    assert (found.authorities, changed) == (frozenset({FIRST}), False)
    for namespace in (OWN, "one", "two"):
        stored = api.objects[path(namespace)]
        assert stored["data"] == {"ca.crt": pem(FIRST).decode()}
        (owner,) = stored["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("ClusterRole", "tabard-control", "u-1")


def test_a_namespace_that_comes_later_gets_it_too(api: FakeObjects):
    look(api)
    api.put("/api/v1/namespaces/three", {"metadata": {}})
    assert look(api)[1]
    assert api.objects[path("three")]["data"]["ca.crt"] == pem(FIRST).decode()


def test_one_that_is_being_deleted_is_left_alone(api: FakeObjects):
    api.put("/api/v1/namespaces/two", {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})
    look(api)
    assert path("two") not in api.objects
    assert path("one") in api.objects


@pytest.mark.parametrize(
    "spoilt", [{}, {"data": {}}, {"data": {"ca.crt": "x"}}, {"data": {"ca.crt": pem(SECOND).decode()}}]
)
def test_who_spoils_a_copy_keeps_no_authority_from_being_published(api: FakeObjects, spoilt):
    look(api)
    api.put(path("one"), {"metadata": {"name": NAME, "namespace": "one"}, **spoilt})
    found, changed = look(api)
    assert (found.authorities, changed) == (frozenset({FIRST}), True)
    assert api.objects[path("one")]["data"]["ca.crt"] == pem(FIRST).decode()


def test_a_copy_that_cannot_be_written_is_told_and_hinders_nothing(api: FakeObjects, monkeypatch):
    create = api.create

    async def refusing(where, document):
        if "/one/" in where:
            raise ApiError("the quota is used up", 403)
        return await create(where, document)

    monkeypatch.setattr(api, "create", refusing)
    place = ConfigMapPlace(api, OWN, NAME, None)
    look(api, place=place)
    found, _ = look(api, place=place)
    assert found.authorities == {FIRST}
    assert "can't be written in one: the quota is used up" in found.problem
    assert path("two") in api.objects
    monkeypatch.setattr(api, "create", create)
    look(api, place=place)
    assert look(api, place=place)[0].problem == ""


def test_what_was_written_meanwhile_stays(api: FakeObjects):
    """A replica that was stopped after it had read publishes nothing over what others have written."""
    look(api)
    stopped = ConfigMapPlace(api, OWN, NAME, None)
    found = run(stopped.read())
    look(api, (SECOND,))
    with pytest.raises(ApiError) as caught:
        run(stopped.publish(found, (FIRST, SECOND)))
    assert caught.value.conflict
    assert {api.objects[path(each)]["data"]["ca.crt"] for each in ("one", "two", OWN)} == {
        pem(SECOND).decode()
    }


def test_huge_objects_of_others_are_read_one_by_one(api: FakeObjects, monkeypatch):
    look(api)
    asked, get = [], api.get

    async def bounded(where):
        if "/configmaps?" in where:
            asked.append(where.rpartition("limit=")[2])
            if asked[-1] != "1":
                raise UnreadableError("the answer is too long")
        return await get(where)

    monkeypatch.setattr(api, "get", bounded)
    assert look(api)[0].authorities == {FIRST}
    assert asked == ["250", "20", "1"]
