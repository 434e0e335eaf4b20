"""Writes a new policy module with its Rego test and its decision cases."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

_MODULE = """\
# METADATA
# title: {title}
# description: Agents may read {title}. A call that no rule grants is denied.
package policy.{name}

import data.tabard.lib.credentials
import data.tabard.lib.intent

# METADATA
# description: A signed request for this purpose may start a task, within these limits.
start contains {{"code": "{name}", "limits": {{
	"tools": ["{name}.*"],
	"audiences": ["https://{host}.internal"],
	"scopes": ["{name}:read"],
	"purposes": ["{name}"],
	"ttl_seconds": 900,
}}}} if {{
	intent.purpose_is("{name}")
}}

# METADATA
# description: Reading is granted for the signed purpose.
grant contains {{"code": "read", "credential": credentials.jwt("https://{host}.internal", ["{name}:read"], 60)}} if {{
	input.tool.name == "{name}.read"
	intent.purpose_is("{name}")
}}

# METADATA
# description: The denial of every other call gives the reason.
deny contains {{
	"code": "{name}_read_only",
	"message": sprintf("%s is not for agents", [input.tool.name]),
}} if {{
	startswith(input.tool.name, "{name}.")
	input.tool.name != "{name}.read"
}}
"""

_TEST = """\
package policy.{name}_test

import data.policy.{name}

_call(tool) := {{
	"operation": "authorize",
	"task": {{"purpose": "{name}", "intent_source": "signed"}},
	"tool": {{"name": tool, "arguments": {{}}}},
}}

_codes(elements) := {{element.code | some element in elements}}

test_reading_is_granted if {{
	_codes({name}.grant) == {{"read"}} with input as _call("{name}.read")
	{name}.deny == set() with input as _call("{name}.read")
}}

test_a_signed_purpose_starts_a_task if {{
	request := object.union(_call("{name}.read"), {{"operation": "start_task"}})
	_codes({name}.start) == {{"{name}"}} with input as request
}}

test_an_asserted_purpose_grants_nothing if {{
	{name}.grant == set() with input as object.union(_call("{name}.read"), {{"task": {{"intent_source": "asserted"}}}})
}}

test_everything_else_is_denied if {{
	{name}.grant == set() with input as _call("{name}.delete")
	_codes({name}.deny) == {{"{name}_read_only"}} with input as _call("{name}.delete")
}}
"""


_CASES = """\
# Decision cases of {title}, run by `tabard policy test`. docs/policy-guide.md lists the keys.
defaults:
  purpose: {name}

cases:
  - name: reading gets a credential for reading
    tool: {name}.read
    expect: {{effect: allow, code: read, credential: {{kind: jwt, scopes: ["{name}:read"]}}}}

  - name: a signed purpose starts a task
    operation: start_task
    expect: {{effect: allow, code: {name}}}

  - name: an asserted purpose grants nothing
    tool: {name}.read
    intent_source: asserted
    expect: {{effect: deny, code: no_grant}}

  - name: every other call is denied
    tool: {name}.delete
    expect: {{effect: deny, code: {name}_read_only}}
"""


class ScaffoldError(Exception):
    """The module can't be created."""


def write_module(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Write ``<folder>/<name>/<name>.rego``, its test and its cases, overwriting nothing.

    Returns:
        The module, the test and the cases.

    Raises:
        ScaffoldError: the name isn't valid, or a file exists already.
    """
    if not _NAME.fullmatch(name) or name.endswith("_test"):
        raise ScaffoldError(
            f"{name!r} is no module name: use lower case letters, digits and _, not ending in _test"
        )
    home = folder / name
    module, test, cases = home / f"{name}.rego", home / f"{name}_test.rego", home / f"{name}_cases.yaml"
    for path in (module, test, cases):
        if path.exists():
            raise ScaffoldError(f"{path} exists already; nothing was written")
    words = {"name": name, "title": name.replace("_", " "), "host": name.replace("_", "-")}
    try:
        home.mkdir(parents=True, exist_ok=True)
        for path, text in ((module, _MODULE), (test, _TEST), (cases, _CASES)):
            with path.open("x", encoding="utf-8") as file:
                file.write(text.format_map(words))
    except OSError as error:
        raise ScaffoldError(f"{error.filename} can't be written: {error.strerror}") from error
    return module, test, cases
