"""docs/approvals.md: its code runs, its configuration loads, its policy asks, its reasons exist."""

import re
import time

import yaml
from tabard_opa import Engine
from tabard_sidecar.approvals import ApprovalsConfig
from tabard_sidecar.approvals.webhook import signature
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy
from tabard_sidecar.reasons import REASON_CODES

from tests.support import markdown
from tests.support.policy import START

PAGE = "docs/approvals.md"


def block(language):
    (code,) = (code for _, found, code in markdown.blocks(PAGE) if found == language)
    return code


def test_the_signature_check_is_right():
    namespace = {}
    markdown.run(block("python"), namespace)
    secret, body = b"0123456789abcdef0123456789abcdef", b'{"approval_id":"a"}'
    genuine = namespace["genuine"]
    assert genuine(signature(secret, int(time.time()), body), body, secret)
    assert not genuine(signature(secret, int(time.time()) - 301, body), body, secret)
    assert not genuine(signature(secret, int(time.time()), body), body + b" ", secret)
    assert not genuine(signature(bytes(32), int(time.time()), body), body, secret)


def test_the_configuration_loads():
    config = ApprovalsConfig(**yaml.safe_load(block("yaml"))["approvals"])
    assert set(config.roles) == {"finance", "owner", "board"}
    assert config.roles["owner"].subject


def test_every_reason_exists():
    text = (markdown.ROOT / PAGE).read_text()
    table = text.partition("## Why it can't be bypassed")[2]
    rows = [row for row in re.findall(r"^\|.*\|(.*)\|$", table, re.MULTILINE) if "`" in row]
    codes = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert len(codes) >= 14
    assert codes <= REASON_CODES
    described = set(re.findall(r"`(appro[a-z]+_[a-z_]+)`", text))
    assert described - REASON_CODES <= {"approval_id"}


def test_the_policy_compiles():
    engine = Engine()
    compiled = compile_policy(engine, {"page.rego": block("rego") + START}, {}, CompileOptions())
    assert compiled.warnings == ()
    compiled.close()
