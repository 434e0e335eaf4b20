"""docs/two-namespaces.md: its settings fit. tests/integration/pods runs the page."""

import pytest
import yaml
from tabard_sidecar.config import load
from tabard_sidecar.injector.patching import inject

from tests.support.injecting import CONTROL, patched, pod, settings
from tests.support.markdown import code_of

PAGE = "docs/two-namespaces.md"


@pytest.mark.parametrize("namespace", ["support", "billing"])
def test_a_namespaces_file_and_what_the_injector_sets_are_a_configuration(namespace, tmp_path):
    ((_, config),) = code_of(PAGE, f"{namespace}-config")
    ((_, of_injector),) = code_of(PAGE, "injector")
    chosen = yaml.safe_load(of_injector)
    document = pod()
    chosen = settings(control=CONTROL, cluster=chosen["cluster"], **chosen["sidecar"])
    document = patched(document, inject(document, chosen))
    sidecar = next(one for one in document["spec"]["initContainers"] if one["name"] == "tabard")
    environment = {one["name"]: one.get("value", namespace) for one in sidecar["env"]}
    file = tmp_path / "tabard.yaml"
    file.write_text(config)
    loaded = load(file, environment=environment).settings
    assert loaded.zone == namespace
    volumes = [mount["mountPath"] for mount in sidecar["volumeMounts"]]
    assert str(loaded.state.redis.password_file.parent) in volumes
    if namespace == "billing":
        assert str(loaded.vault["main"].auth.token_file.parent) in volumes
        assert str(loaded.handover.accept[0].ca_file.parent) in volumes
