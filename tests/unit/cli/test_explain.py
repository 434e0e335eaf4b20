"""`tabard explain` has a text for everything that Tabard says, from the installed packages alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tabard.verify.errors import CODES as REJECTIONS
from tabard_sidecar.cli import main
from tabard_sidecar.config import Settings
from tabard_sidecar.reasons import REASON_CODES, client_texts

ROOT = Path(__file__).resolve().parents[3]
EVERY_CODE = sorted({*REASON_CODES, *client_texts(), *REJECTIONS})


@pytest.mark.parametrize("code", EVERY_CODE)
def test_every_code_is_explained(capsys, code):
    assert main(["explain", code, "--json"]) == 0
    pages = json.loads(capsys.readouterr().out)
    assert {page["name"] for page in pages} == {code}
    assert all(page["title"] and page["what_happened"] and page["given_by"] for page in pages)
    assert code in REJECTIONS or pages[0]["next_step"]


@pytest.mark.parametrize("section", list(Settings.model_fields))
def test_every_section_is_explained(capsys, section):
    assert main(["explain", section, "--json"]) == 0
    pages = json.loads(capsys.readouterr().out)
    assert pages[0]["name"] == section
    assert all(page["meaning"] or page["type"] == "mapping" for page in pages)


def test_the_page_says_what_the_documentation_says(capsys):
    assert main(["explain", "budget_exhausted"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    page = (ROOT / "docs/reference/errors/budget_exhausted.md").read_text()
    for part in re.findall(
        r"\*\*(?:What happened|Next step|Text for the model)\.\*\* (.+?)\n\n", page, re.DOTALL
    ):
        assert " ".join(part.split()) in out


def test_a_code_that_two_give_has_both_texts(capsys):
    assert main(["explain", "keys_unavailable"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^  given by +(.+)$", out, re.MULTILINE) == ["the sidecar", "a backend"]


def test_all_codes_are_listed_under_a_header(capsys):
    assert main(["explain"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split(maxsplit=1)[0] == "code"
    assert {row.split()[0] for row in rows} == set(EVERY_CODE)


def test_another_name_gets_the_nearest_and_where_to_look(capsys):
    assert main(["explain", "budget_exausted"]) == 1
    err = capsys.readouterr().err
    assert "Did you mean budget_exhausted?" in err
    assert "your policy" in err


def test_no_command_sends_people_to_a_page_that_is_not_installed():
    """What a command prints names a command, because an installed machine has no docs folder."""
    for path in (ROOT / "sidecar/tabard_sidecar/cli").glob("*.py"):
        sent = re.findall(r"(?:_SEE|see) ?= ?\"(docs/[^\"]+)", path.read_text())
        assert not sent, path
