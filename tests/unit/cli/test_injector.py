"""``tabard injector``: try, webhook, and the mistakes of its configuration."""

import json
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from tabard_sidecar.cli import main

from tests.support.injecting import pod

CONFIG = """\
webhook:
  tls_certificate_file: tls.crt
  tls_key_file: tls.key
sidecar:
  image: registry.example.org/tabard-sidecar:0.1.0
"""


@pytest.fixture
def tabard(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "injector.yaml").write_text(CONFIG)
    (tmp_path / "ca.pem").write_text("CA")

    def tabard(*arguments):
        code = main(["injector", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return tabard


def test_try_shows_what_a_pod_gets(tabard, tmp_path):
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod()))
    code, out, _ = tabard("try", "pod.yaml", "--config", "injector.yaml")
    assert code == 0
    assert out.splitlines()[-1] == "add /spec/initContainers: tabard-prepare, tabard"
    code, out, _ = tabard("try", "pod.yaml", "--config", "injector.yaml", "--json")
    assert json.loads(out)["patch"][-1]["value"][1]["name"] == "tabard"


def test_try_says_why_a_pod_would_be_refused(tabard, tmp_path):
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod(hostPID=True)))
    code, _, err = tabard("try", "pod.yaml", "--config", "injector.yaml")
    assert code == 1
    assert "the pod would be refused: spec.hostPID is set" in err
    code, out, _ = tabard("try", "pod.yaml", "--config", "injector.yaml", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


@pytest.mark.parametrize("text", ["kind: Deployment", "[", "- 1", "a: &x 1"])
def test_try_wants_one_pod(tabard, tmp_path, text):
    (tmp_path / "pod.yaml").write_text(text)
    code, _, err = tabard("try", "pod.yaml", "--config", "injector.yaml")
    assert code == 2
    assert "next:" in err


def test_webhook_prints_what_kubernetes_accepts(tabard):
    code, out, _ = tabard("webhook", "--ca-file", "ca.pem", "--config", "injector.yaml")
    assert code == 0
    document = json.loads(out)
    kubernetes_validate.validate(document, "1.36", strict=True)
    for webhook in document["webhooks"]:
        assert webhook["failurePolicy"] == "Fail"
        exempt = webhook["namespaceSelector"]["matchExpressions"][0]
        assert exempt["key"] == "kubernetes.io/metadata.name"
        assert {"kube-system", "tabard-system"} <= set(exempt["values"])


def test_an_injector_with_its_own_authority_writes_it_itself(tabard, tmp_path):
    """What is printed has none then, so that applying it again changes none."""
    managed = "managed: {secret: s, names: [a.b.svc], webhook_configuration: other}"
    (tmp_path / "own.yaml").write_text(f"webhook:\n  {managed}\nsidecar: {{image: x}}\n")
    code, out, _ = tabard("webhook", "--config", "own.yaml")
    assert code == 0
    document = json.loads(out)
    assert document["metadata"]["name"] == "other"
    assert all(set(one["clientConfig"]) == {"service"} for one in document["webhooks"])
    code, _, err = tabard("webhook", "--config", "own.yaml", "--ca-file", "ca.pem")
    assert (code, "webhook.managed is set, and --ca-file as well" in err) == (2, True)
    code, _, err = tabard("webhook", "--config", "injector.yaml")
    assert (code, "--ca-file is missing" in err) == (2, True)


def test_webhook_never_covers_the_injectors_own_namespace(tabard):
    code, _, err = tabard(
        "webhook", "--ca-file", "ca.pem", "--service", "i.other", "--config", "injector.yaml"
    )
    assert code == 3
    assert "exempt_namespaces lacks other" in err
    code, *_ = tabard("webhook", "--ca-file", "ca.pem", "--service", "i", "--config", "injector.yaml")
    assert code == 2


def test_mistakes_are_told_with_their_lines(tabard, tmp_path):
    (tmp_path / "injector.yaml").write_text(CONFIG + "  http_prot: 1\n  memory_limit: much\n")
    code, _, err = tabard("serve", "--config", "injector.yaml")
    assert code == 3
    assert 'injector.yaml:6:3: sidecar.http_prot: unknown key "http_prot"' in err
    assert 'Did you mean "http_port"? See docs/reference/injector.md.' in err
    assert "injector.yaml:7:17: sidecar.memory_limit: is no amount" in err


def test_a_certificate_that_is_missing_is_told(tabard):
    code, _, err = tabard("serve", "--config", "injector.yaml")
    assert code == 3
    assert "tls.crt: No such file" in err
    assert "next: Correct the section webhook" in err


def test_an_injector_with_files_imports_no_client_of_the_api_server():
    code = "import sys, tabard_sidecar.injector.running as _; sys.exit(bool({'requests', 'tabard_sidecar.kubernetes.api'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_serving_sidecar_imports_nothing_of_it():
    code = "import sys, tabard_sidecar.server.lifecycle; sys.exit('tabard_sidecar.injector' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_policy_prints_what_kubernetes_accepts(tabard):
    """It names what the configuration names, and spares the exempt namespaces."""
    code, out, _ = tabard("policy", "--config", "injector.yaml", "--set", "sidecar.keys_secret=ring")
    assert code == 0
    items = json.loads(out)["items"]
    assert [item["kind"] for item in items] == [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ] * 5
    for item in items:
        kubernetes_validate.validate(item, "1.36", strict=True)
    assert {"name": "secrets", "expression": '["ring"]'} in items[0]["spec"]["variables"]
    for policy in items[::2]:
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert "kube-system" in json.dumps(policy["spec"]["matchConstraints"]["namespaceSelector"])
