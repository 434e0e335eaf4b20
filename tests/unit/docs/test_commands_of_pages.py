"""Every command that a page shows exists, with its options; the pages' own tests run most of them."""

import re
import shlex

import click
import pytest
from tabard_sidecar.cli.root import COMMANDS, command

from tests.unit.docs.test_prose import PAGES, names

FENCED = re.compile(r"^ *```(?:console|sh)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
STARTS = re.compile(r"(?:^|[|&;(]\s*|\$\(|\buntil |\bdo )(tabard(?: [^|&;<>()]*)?)")


def shown(page):
    """Return the commands of a page's blocks: of console blocks the lines with a prompt, without remarks."""
    found = []
    for block in FENCED.findall(page.read_text("utf-8")):
        text = re.sub(r"<<'?(\w+)'?.*?^\1$", "", block, flags=re.MULTILINE | re.DOTALL).replace("\\\n", " ")
        for line in text.splitlines():
            plain = re.sub(r"\s+#.*$|^#.*$", "", line).removeprefix("$ ")
            found += [one.strip() for one in STARTS.findall(plain)]
    return found


def fault(line):
    """Return what is wrong with a command, or an empty text."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        return ""  # a quotation mark that ends on another line
    words = [word for word in words if word not in {">", "2"}]
    found, context = command, click.Context(command, info_name="tabard")
    if not words or words[0] in {"opa", "health"}:
        return ""
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(context, words[0])
        if inner is None:
            return f"no command {words[0]!r}" if re.fullmatch(r"[a-z-]+", words[0]) else ""
        found, words = inner, words[1:]
    known = {option for one in found.get_params(context) for option in (*one.opts, *one.secondary_opts)}
    wrong = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)} - known
    return f"no option {', '.join(sorted(wrong))}" if wrong else ""


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=names)
def test_the_commands_of_a_page_exist(page):
    assert {line: wrong for line in shown(page) if (wrong := fault(line))} == {}


def test_a_wrong_command_is_seen():
    assert fault("tabard polcy check") == "no command 'polcy'"
    assert fault("tabard policy chek policy") == "no command 'chek'"
    assert fault("tabard policy check policy --catalog x") == "no option --catalog"
    assert fault("tabard policy check policy --catalogue x") == ""


def test_most_commands_are_shown_somewhere():
    """So the pattern finds them."""
    seen = {line.split()[1] for page in PAGES for line in shown(page) if len(line.split()) > 1}
    assert len(seen & set(COMMANDS)) > len(COMMANDS) / 2
