from tabard_sidecar.health import Health, Status


def status(health):
    snapshot = health.snapshot()
    return snapshot.status, snapshot.ready


def test_not_ready_without_a_policy_even_if_it_never_reported():
    """A sidecar whose policy never reported is starting, whatever else is well."""
    health = Health()
    health.component("audit").ok()
    health.started()
    assert status(health) == (Status.STARTING, False)


def test_not_ready_before_the_sockets_are_open():
    """A loaded policy alone is not enough."""
    health = Health()
    health.component("policy").ok()
    assert status(health) == (Status.STARTING, False)
    health.started()
    assert status(health) == (Status.SERVING, True)


def test_failed_policy_is_not_ready():
    """A policy that fails later makes the sidecar unready."""
    health = Health()
    policy = health.component("policy")
    policy.ok()
    health.started()
    policy.failed("broken for longer than policy.max_broken_seconds")
    assert status(health) == (Status.DEGRADED, False)
    assert health.snapshot().reasons == ["policy: broken for longer than policy.max_broken_seconds"]


def test_degraded_component_keeps_serving_and_tells_why():
    """A broken policy file degrades while the last good policy serves."""
    health = Health()
    policy = health.component("policy")
    policy.ok()
    health.started()
    policy.degraded("refunds.rego:3: unexpected token")
    assert status(health) == (Status.DEGRADED, True)
    policy.ok()
    assert status(health) == (Status.SERVING, True)


def test_component_that_is_not_required_never_makes_unready():
    """A decision log that isn't required degrades only."""
    health = Health()
    health.component("policy").ok()
    health.component("audit").failed("disk full")
    health.started()
    assert status(health) == (Status.DEGRADED, True)


def test_further_required_components():
    """The code that builds the sidecar can require more."""
    health = Health(required=["policy", "identity"])
    health.component("policy").ok()
    health.started()
    assert status(health) == (Status.STARTING, False)
    health.component("identity").failed("token expired")
    assert status(health) == (Status.DEGRADED, False)


def test_stopping_is_never_ready():
    """While draining no new work is wanted."""
    health = Health()
    health.component("policy").ok()
    health.started()
    health.stopping()
    assert status(health) == (Status.STOPPING, False)


def test_subscribers_hear_changes_once():
    """Repeating a report is no change."""
    health, heard = Health(), []
    health.subscribe(lambda snapshot: heard.append(snapshot.ready))
    policy = health.component("policy")
    policy.ok()
    policy.ok()
    health.started()
    assert heard == [False, False, True]
