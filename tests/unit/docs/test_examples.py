"""Programs of our pages for agent developers pass a strict type check."""

import os
import re
import subprocess
import sys

from tests.support import markdown
from tests.support.markdown import ROOT
from tests.support.pages import FRAMEWORKS, blocks_of, files_of

STRICT = ["--strict", "--no-error-summary", "--config-file=", "--ignore-missing-imports"]
UNTYPED = ["--allow-subclassing-any", "--allow-untyped-decorators", "--no-warn-return-any"]


def check(folder, files, *options):
    for name, text in files.items():
        (folder / name).write_text(text)
    found = subprocess.run(
        [sys.executable, "-m", "mypy", *STRICT, *options, *files],
        cwd=folder,
        env=os.environ | {"MYPYPATH": str(ROOT / "sdk")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_page_for_agent_developers(tmp_path):
    check(tmp_path, files_of(blocks_of("docs/agents.md", before=FRAMEWORKS)))
    # The frameworks aren't installed here, so what comes from them has no types.
    check(tmp_path, files_of(blocks_of("docs/agents.md", after=FRAMEWORKS)), *UNTYPED)


def test_readme_quickstart_and_the_sdks_page(tmp_path):
    quickstart = (ROOT / "docs/quickstart.md").read_text()
    (agent,) = re.findall(r"<<'PYTHON'\n(.*?)^PYTHON$", quickstart, re.MULTILINE | re.DOTALL)
    sdk = [code for _, language, code in markdown.blocks("sdk/README.md") if language == "python"]
    files = files_of(blocks_of("README.md"))
    assert set(files) == {"agent.py"}
    check(tmp_path, files | {"quickstart.py": agent, "sdk_page.py": "\n".join(sdk)})


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sdk").glob("*.md")]


def test_every_parameter_for_a_credential_has_its_default():
    """Without it a type checker misses the argument in calls."""
    without = re.compile(r"credential: (?:tabard\.)?Credential(?! = tabard\.INJECTED)[,)]")
    found = {str(page.relative_to(ROOT)): without.findall(page.read_text()) for page in PAGES}
    assert {page: parameters for page, parameters in found.items() if parameters} == {}
