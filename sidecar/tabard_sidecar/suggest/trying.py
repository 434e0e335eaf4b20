"""Tries a proposal: puts it beside the policy, checks the whole, and keeps the decision cases that hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from tabard_opa import Engine

from tabard_sidecar.policy.authoring.case_files import read_case_file
from tabard_sidecar.policy.authoring.case_results import CaseReport
from tabard_sidecar.policy.authoring.cases import Catalogues, decide_cases
from tabard_sidecar.policy.authoring.workbench import check
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.sources import PolicySource, load_source
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.suggest.cases import Draft, cases_text

_ANY: Final[dict[str, object]] = {"effect": ["allow", "ask", "deny"]}


class Policy(NamedTuple):
    """The policy beside which a proposal is put: where it is, how it is compiled, and the tools."""

    path: Path
    options: CompileOptions
    catalogue: Catalogue

    def source(self) -> PolicySource:
        """Return its files.

        Raises:
            PolicyBrokenError: they can't be used.
        """
        return load_source(self.path, self.options.bundle_keys, sizes=self.options.sizes)


def put_beside(policy: Policy, files: Mapping[str, str], folder: Path) -> Policy:
    """Write the policy's modules and data with further files to a new folder, and return that policy.

    Args:
        policy: a folder or a bundle; its tests and cases stay away.
        files: by their path in the policy's folder.
        folder: it is created.

    Raises:
        PolicyBrokenError: the policy can't be used, or a name of ``files`` is taken in it.
    """
    source = policy.source()
    for name in files:
        home = name.partition("/")[0]
        if home in source.data:
            message, step = f"has data of the name {home} already", "Choose another --name"
            problem = PolicyProblem(str(policy.path), 0, 0, "data_conflict", message, step)
            raise PolicyBrokenError([problem])
    folder.mkdir()
    for number, text in enumerate(source.modules.values()):
        (folder / f"{number:05d}.rego").write_text(text, encoding="utf-8")
    (folder / "data.json").write_text(json.dumps(source.data), encoding="utf-8")
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return policy._replace(path=folder, options=replace(policy.options, bundle_keys=None))


def require_sound(engine: Engine, policy: Policy) -> None:
    """Run the checks of ``tabard policy check``.

    Raises:
        PolicyBrokenError: one fails.
    """
    errors = check(engine, policy.path, policy.options, policy.catalogue).errors
    if errors:
        raise PolicyBrokenError(errors)


def holding(
    engine: Engine, policy: Policy, wanted: Sequence[Draft], head: Iterable[str], folder: Path
) -> str:
    """Return a file with the cases that hold; empty if there are none.

    Args:
        engine: decides them.
        policy: with the proposal.
        wanted: the cases.
        head: lines of comment for the file.
        folder: where drafts may be written.

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    head = tuple(head)
    tried = _tried(engine, policy, [(one, _ANY) for one in wanted], head, folder)
    if tried is None:
        wanted = [one for one in wanted if "facts" not in one.keys]  # the policy may know other ones by now
        tried = _tried(engine, policy, [(one, _ANY) for one in wanted], head, folder)
    found = {result.case.name: result for result in tried.results} if tried is not None else {}
    chosen = []
    for one in wanted:
        result = found.get(one.name)
        if result is None:
            continue
        if not one.code and result.effect == "allow":
            expect: dict[str, object] = {"effect": "allow"}
            chosen.append((one, expect))
        elif one.code and result.effect == "deny" and one.code in result.codes:
            chosen.append((one, {"effect": "deny", "code": list(result.codes)}))
    return cases_text(chosen, head) if chosen else ""


def _tried(
    engine: Engine,
    policy: Policy,
    cases: Sequence[tuple[Draft, Mapping[str, object]]],
    head: tuple[str, ...],
    folder: Path,
) -> CaseReport | None:
    """Return how the cases are decided; ``None`` if one of them can't be."""
    if not cases:
        return CaseReport()
    file = folder / "draft_cases.yaml"
    file.write_text(cases_text([(one, dict(expect)) for one, expect in cases], head), encoding="utf-8")
    try:
        read = read_case_file(file)
        return decide_cases(engine, policy.path, policy.options, Catalogues(policy.catalogue), read)
    except PolicyBrokenError:
        return None
