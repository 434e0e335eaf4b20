"""Words of agents, policies and others draw no row of ours in the lists that operators read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard.authz.v1 import task_operator_service_pb2 as pb
from tabard_sidecar.cli.log_view import _rows as log_rows
from tabard_sidecar.cli.revoke import listed
from tabard_sidecar.cli.task_view import summary, tree_lines
from tabard_sidecar.operating.framing import Screen, text_columns
from tabard_sidecar.operating.revocations import describe as describe_revocation
from tabard_sidecar.operating.tasks import describe
from tabard_sidecar.operating.terminal import unstyled
from tabard_sidecar.records.reading import joined

MARK = "☠"
LINK = "ab" * 32
WORDS = st.text(alphabet=st.sampled_from(["x", " ", MARK, "\u0301", "漢", "▏", '"', "\n"]), max_size=300).map(
    lambda text: f"{MARK}{text}"
)
WIDTHS = st.integers(20, 200)


def padded(width: int) -> str:
    """A word that fills a row and then draws one of ours."""
    return f'{MARK}"'.ljust(width) + f"link {LINK}" + MARK


def tree(words: str) -> pb.GetTaskTreeResponse:
    task = pb.TaskOverview(
        task_id="t", workload="spiffe://shop.example/a", purpose=words, labels=[words, words]
    )
    task.subject.id = "ann"
    node = pb.TaskNode(link_id=LINK, holder="spiffe://shop.example/a", sub_agent=words)
    return pb.GetTaskTreeResponse(task=task, nodes=[node])


def record(words: str) -> dict:
    tool = {"name": words, "arguments": {}}
    result = {"decision": "deny", "reasons": [{"code": "c", "module": "m", "message": words}]}
    return {
        "decision_id": "d",
        "event": "decision",
        "input": {"operation": "authorize", "tool": tool},
        "result": result,
    }


def change(words: str) -> dict:
    return {
        "event": "change",
        "operation": "revoke",
        "about": {"reason": words, "kind": "agent"},
        "note": {"x": words},
    }


def every_list(words: str, where: Screen):
    found = tree(words)
    yield from summary(describe(found.task), where)
    yield from tree_lines(found, where)
    from tabard.authz.v1 import revocation_service_pb2 as revocation_pb  # noqa: PLC0415

    revoked = revocation_pb.Revocation(kind=2, target="spiffe://shop.example/a", reasons=[words])
    yield from listed(describe_revocation(revoked), where)
    for entry in joined([record(words), change(words)]):
        yield from log_rows(entry.as_json(), where)


@given(WORDS, WIDTHS)
def test_every_row_of_foreign_words_stands_behind_a_bar(words, width):
    rows = [unstyled(row) for row in every_list(words, Screen(width))]
    assert sum(MARK in row for row in rows) > 0
    for row in rows:
        assert "\n" not in row
        if MARK in row:
            head, bar, _ = row.partition("▏")
            assert bar
            assert MARK not in head
            assert text_columns(row) <= width


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_padding_draws_no_row_with_another_link(width):
    rows = [unstyled(row) for row in tree_lines(tree(padded(width - 10)), Screen(width))]
    assert [row for row in rows if row.startswith("link ")] == [f"link {LINK}"]


def test_scripts_find_whole_ids_and_terminals_whole_rows():
    long = "spiffe://shop.example/" + "a" * 200
    task = describe(pb.TaskOverview(task_id="t", workload=long, purpose="p"))
    assert any(long in row for row in summary(task, Screen(40, own_columns=1 << 20)))
    assert all(text_columns(unstyled(row)) <= 40 for row in [*summary(task, Screen(40))][1:])
