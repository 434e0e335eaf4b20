"""The AgentDojo policies were written from the tools and the workspace, not from what they are measured by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agentdojo.base_tasks import BaseUserTask
from agentdojo.task_suite.task_suite import TaskSuite

from bench.agentdojo.catalogue import CATALOGUE, EXAMPLES, catalogue, example
from bench.agentdojo.play import OTHERS, SUITES, load

_SHORTEST = 4
_EVERYDAY = re.compile(r"\d{1,2}(?:st|nd|rd|th)[.,]?|[\d.,]+|[a-z]+(?:n't|'s|'re|'ll)")
LIBRARY = EXAMPLES.parent / "tabard"


@pytest.fixture(params=(*SUITES, *OTHERS))
def suite(request: pytest.FixtureRequest) -> TaskSuite[Any]:
    return load(request.param)


def _files(suite: TaskSuite[Any]) -> list[Path]:
    """Everything that decides: modules, data and the library, their tests left out."""
    folders = (example(suite.name) / "policy", LIBRARY)
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".rego", ".json"}]
    return [path for path in files if not path.name.endswith("_test.rego")]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        yield from value.splitlines()
    elif isinstance(value, dict):
        for child in value.values():
            yield from _strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child)


def _workspace(suite: TaskSuite[Any]) -> str:
    """What the workspace holds before anything is injected, and what the tools are called."""
    environment = suite.load_and_inject_default_environment(
        dict.fromkeys(suite.get_injection_vector_defaults(), "")
    )
    return json.dumps(environment.model_dump(mode="json"), ensure_ascii=False) + catalogue(suite)


def _solutions(suite: TaskSuite[Any]) -> Iterator[str]:
    """Yield every argument of a ground truth, and of the injections' goals and the requests what isn't a plain word."""
    environment = suite.load_and_inject_default_environment({})
    for task in [*suite.user_tasks.values(), *suite.injection_tasks.values()]:
        for call in task.ground_truth(environment.model_copy(deep=True)):
            yield from _strings(dict(call.args))
            yield from (str(value) for value in call.args.values() if isinstance(value, float))
        prose = [task.GROUND_TRUTH_OUTPUT, task.PROMPT if isinstance(task, BaseUserTask) else task.GOAL]
        yield from prose
        yield from (
            word for text in prose for word in text.split() if not word.strip(".,:;!?'\"()").isalpha()
        )


def test_policies_hold_nothing_of_ground_truth_or_injections(suite: TaskSuite[Any]):
    """Nothing that only the solutions or the attacks know stands in a policy."""
    workspace = _workspace(suite)
    files = {path: path.read_text(encoding="utf-8") for path in _files(suite)}
    library = "\n".join(text for path, text in files.items() if path.is_relative_to(LIBRARY))
    policy = "\n".join(text for path, text in files.items() if not path.is_relative_to(LIBRARY))
    telling = {word for word in _solutions(suite) if len(word) >= _SHORTEST and word not in workspace}
    assert len(telling) > len(suite.user_tasks) + len(suite.injection_tasks)
    assert {word for word in telling if word in policy} == set()
    # The library reads any person's words: it lists the days of a month, hours in minutes, what negates and what contracts.
    assert {word for word in telling if word in library and not _EVERYDAY.fullmatch(word)} == set()


def test_data_is_the_workspaces_own(suite: TaskSuite[Any]):
    """Every name and number that the policy's data holds was in the workspace before the benchmark began."""
    workspace = _workspace(suite)
    data = json.loads((example(suite.name) / "policy" / "data.json").read_text(encoding="utf-8"))
    named = {word for word in _strings(data) if not word.islower()}
    assert {word for word in named if word not in workspace} == set()


def test_catalogue_is_in_step(suite: TaskSuite[Any]):
    """The committed catalogue is what the package's tools say; ``--write-catalogues`` updates it."""
    assert (example(suite.name) / CATALOGUE).read_text(encoding="utf-8") == catalogue(suite)
