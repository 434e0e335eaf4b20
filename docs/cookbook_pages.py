"""Generates docs/cookbook from the recipes in rego/cookbook: their policies, data, decision cases and pitfalls."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from tabard_sidecar.policy.authoring.case_files import Case, read_cases

COOKBOOK = Path(__file__).resolve().parent.parent / "rego" / "cookbook"
GROUPS = ("Money", "People", "Data", "Agents and tools", "Time")
_WIDTH = 100
_SOURCES = "../../rego/cookbook"
_LANGUAGES = {".rego": "rego", ".yaml": "yaml"}
_EFFECTS = {"allow": "allowed", "deny": "denied", "ask": "asked"}
_INTRO = """\
# Cookbook

Policies for needs that many teams have. Each recipe is a whole policy with data, decision cases and
Rego tests in [`rego/cookbook`](../../rego/cookbook/). The pages of this folder are made from these
files.

```console
$ cp -r rego/cookbook/refund_limits/policy my-policy
$ tabard policy check my-policy
$ tabard policy test my-policy --catalogue rego/cookbook/catalogue.yaml
```

Then replace the data by what your systems export, the tools by yours and the cases by your own
requests. `tabard policy check --config` tells which claims, roles and kinds of credentials your
configuration doesn't have. The [policy guide](../policy-guide.md) explains each part.

All recipes keep to these rules, and so should yours:

- A task starts for a **signed purpose**, and each grant asks for it again, so that a task of
  another module gets nothing.
- **Every argument is bounded**, and an argument that no rule knows denies (`arguments.only`). This
  holds without a tool catalogue, too.
- Tools, audiences and scopes are **named in full**, and a credential that changes something is for
  single use.
- What counts is what your **data** says, and never a limit, price or tenant that the call states.
- **Budgets and facts** bound what many calls add up to.

Tests make every allowed case hostile in one place after the other: an argument of another type,
one more, one less, huge, negative, fractional, in look-alike letters, with hidden characters, as a
list, with a tail that some program reads otherwise; another tool, purpose, receiver or server; an
intent that isn't signed. None of these requests is allowed.
"""


def cookbook_pages(generated: str) -> dict[str, str]:
    """Return every page by its name in docs/cookbook.

    Args:
        generated: the notice at the head of a page, with a place for its ``source``.

    Raises:
        ValueError: a recipe has a group that the index doesn't have.
    """
    recipes = {folder.name: _recipe(folder) for folder in sorted(COOKBOOK.iterdir()) if folder.is_dir()}
    strays = {name for name, recipe in recipes.items() if recipe["group"] not in GROUPS}
    if strays:
        raise ValueError(f"recipes without a known group: {', '.join(sorted(strays))}")
    pages = {"README.md": generated.format(source="rego/cookbook") + "\n" + "\n".join(_index(recipes)) + "\n"}
    for name, recipe in recipes.items():
        head = generated.format(source=f"rego/cookbook/{name}")
        pages[_page_name(name)] = head + "\n" + "\n".join(_page(name, recipe)).rstrip() + "\n"
    return pages


def _recipe(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    return found


def _page_name(name: str) -> str:
    return f"{name.replace('_', '-')}.md"


def _index(recipes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield _INTRO.rstrip()
    for group in GROUPS:
        yield f"\n## {group}\n"
        yield "| recipe | need |"
        yield "|---|---|"
        for name, recipe in recipes.items():
            if recipe["group"] == group:
                yield f"| [{recipe['title']}]({_page_name(name)}) | {_line(recipe['need'])} |"


def _page(name: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {recipe['title']}\n"
    yield from _prose(recipe["need"])
    yield from _prose(recipe.get("how", ""))
    yield "## The policy\n"
    policy = COOKBOOK / name / "policy"
    for path in sorted(
        policy.glob("*/*"), key=lambda path: (path.suffix != ".rego", path.parent.name != name)
    ):
        if path.suffix in _LANGUAGES and not path.stem.endswith(("_test", "_cases")):
            yield f"[`{path.relative_to(policy)}`]({_SOURCES}/{path.relative_to(COOKBOOK)}):\n"
            yield f"```{_LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"
    yield "## What it decides\n"
    yield "| request | decision |"
    yield "|---|---|"
    for case in read_cases(policy):
        yield f"| {_request(case)} | {_decision(case)} |"
    yield ""
    files = [
        f"[`{path.name}`]({_SOURCES}/{path.relative_to(COOKBOOK)})"
        for path in sorted(policy.glob("*/*_cases.yaml"))
    ]
    yield from _prose(f"These are the decision cases of {' and '.join(files)}.")
    yield "## Pitfalls\n"
    for pitfall in recipe["pitfalls"]:
        shown = ", ".join(_shown(one) for one in pitfall["cases"])
        yield _item(f"{_line(pitfall['text'])} ({shown})")
    yield ""


def _request(case: Case) -> str:
    return f"{case.name}, after *{case.after}*" if case.after else case.name


def _decision(case: Case) -> str:
    effects = (case.expect.effect,) if isinstance(case.expect.effect, str) else tuple(case.expect.effect)
    code = case.expect.code
    codes = (code,) if isinstance(code, str) else tuple(code or ())
    told = " or ".join(_EFFECTS[effect] for effect in effects) + (" and approved" if case.approved else "")
    return told + "".join(f", `{one}`" for one in codes)


def _shown(case: str) -> str:
    return f"*{case.removeprefix('test_').replace('_', ' ') if case.startswith('test_') else case}*"


def _line(text: str) -> str:
    return " ".join(text.split())


def _item(text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _prose(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("```"):
            yield f"{paragraph}\n"
        elif paragraph:
            yield (
                textwrap.fill(_line(paragraph), _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
            )
