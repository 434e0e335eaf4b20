"""Writes a new policy module with its data, its Rego test and its decision cases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tabard_sidecar.util.fresh_files import FreshFiles

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_RESERVED = frozenset(
    {
        "as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "lib", "not",
        "null", "package", "policy", "some", "system", "tabard", "true", "with",
    }
)  # fmt: skip
"""Words that Rego can't have in a package's path, and folders whose data Tabard refuses."""

_MODULE = """\
# METADATA
# title: {title}
# description: Agents may read {title}. A call that no rule grants is denied.
package policy.{name}

import data.tabard.lib.credentials
import data.tabard.lib.intent

# METADATA
# description: A signed request for one of these purposes may start a task, within these limits.
start contains {{"code": "{name}", "limits": {{
	"tools": ["{name}.*"],
	"audiences": ["https://{host}.internal"],
	"scopes": ["{name}:read"],
	"purposes": data.{name}.purposes,
	"ttl_seconds": 900,
}}}} if {{
	some purpose in data.{name}.purposes
	intent.purpose_is(purpose)
}}

# METADATA
# description: Reading is granted for a signed purpose of data.yaml.
grant contains {{"code": "read", "credential": credentials.jwt("https://{host}.internal", ["{name}:read"], 60)}} if {{
	input.tool.name == "{name}.read"
	some purpose in data.{name}.purposes
	intent.purpose_is(purpose)
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


_DATA = """\
# Rules read this as data.{name}: the path of the folder, then the keys.
purposes: ["{name}"]
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


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a new module."""

    module: Path
    data: Path
    test: Path
    cases: Path


def write_module(folder: Path, name: str) -> Written:
    """Write ``<folder>/<name>/<name>.rego``, its data, its test and its cases, overwriting nothing.

    Raises:
        ScaffoldError: the name isn't valid, or a file exists already.
    """
    if not _NAME.fullmatch(name) or name.endswith("_test"):
        raise ScaffoldError(
            f"{name!r} is no module name: use lower case letters, digits and _, not ending in _test"
        )
    if name in _RESERVED:
        raise ScaffoldError(f"{name!r} can't be a module name: Rego or Tabard reserves it; take another word")
    home = folder / name
    written = Written(
        home / f"{name}.rego", home / "data.yaml", home / f"{name}_test.rego", home / f"{name}_cases.yaml"
    )
    texts = {
        written.module: _MODULE, written.data: _DATA, written.test: _TEST, written.cases: _CASES,
    }  # fmt: skip
    for path in texts:
        if path.exists():
            raise ScaffoldError(f"{path} exists already; nothing was written")
    words = {"name": name, "title": name.replace("_", " "), "host": name.replace("_", "-")}
    try:
        with FreshFiles(folder) as files:
            for path, text in texts.items():
                files.text(path, text.format_map(words))
    except OSError as error:
        raise ScaffoldError(f"{error.filename} can't be written: {error.strerror}") from error
    return written
