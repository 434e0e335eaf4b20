"""`clauses` and `entities` leave out what can't be found, and find what a plain search finds."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_opa import Engine
from tabard_sidecar.policy.resources import library

# The plain search: each segment after a verb, each entry of the directory, each entity in each clause.
PLAIN = """\
package plain

import data.tabard.lib.clauses
import data.tabard.lib.entities
import data.tabard.lib.intent
import data.tabard.lib.references

from_verb(parts, place, acts) := clauses._joined(array.slice(parts, place, end)) if {
	end := min({count(parts)} | {next |
		some next, segment in parts
		next > place
		ends(segment, parts[place].sentence, acts)
	})
}

ends(segment, sentence, _) if segment.sentence != sentence

ends(segment, _, acts) if {
	segment.words[0] in (clauses.verbs | acts)
	not clauses._noun_with_number(segment)
}

by_id(directory, kinds) := by_id_in(entities._text, directory, kinds) | {id |
	some id, _ in directory
	contains(entities._text, lower(id))
	regex.match(`\\pL`, id)
	intent.mentions(id)
}

by_id_in(text, directory, kinds) := ({id |
	known := references.spelled(text)
	some id, _ in directory
	strings.replace_n({"#": "", "-": "", "/": "", "_": "", " ": ""}, lower(id)) in known
} | {id |
	some number in references.numbered(text, kinds)
	some id, _ in directory
	endswith(id, number)
	regex.match(sprintf(`^[A-Za-z]{0,12}[-_ #/]?0*%s$`, [number]), id)
}) | {id |
	some id, _ in directory
	contains(text, lower(id))
	regex.match(`[^A-Za-z0-9-]`, id)
	contains(sprintf(" %s ", [text]), sprintf(" %s ", [lower(id)]))
}

ordered(acts, directory, kinds) := found if {
	texts := clauses.ordered(acts)
	meant := entities._mentioned(directory, kinds) - entities.ruled_out(acts, directory, kinds)
	here := {id |
		some id in meant
		some text in texts
		in_clause(text, id, directory[id], kinds)
	}
	found := entities._or_single(here, texts, meant)
}

in_clause(text, id, names, kinds) if id in by_id_in(text, {id: names}, kinds)

in_clause(text, _, names, _) if {
	words := entities._plain(text)
	some name in names
	some phrase in entities._phrases(name)
	contains(words, sprintf(" %s ", [phrase]))
}

acts := {"cancel", "tell", "zap"}

found := {
	"clauses": [text | some place, _ in clauses._segments; text := clauses._from(clauses._segments, place, acts)],
	"ids": entities._by_id(input.directory, input.kinds),
	"ordered": entities.ordered(acts, input.directory, input.kinds),
}

wanted := {
	"clauses": [text | some place, _ in clauses._segments; text := from_verb(clauses._segments, place, acts)],
	"ids": by_id(input.directory, input.kinds),
	"ordered": ordered(acts, input.directory, input.kinds),
}

ordered_only := entities.ordered(acts, input.directory, input.kinds)
"""


@pytest.fixture(scope="module")
def policy():
    with Engine() as engine:
        data = {"tabard": {"settings": {"accept_asserted_intent": False}}}
        names = ["data.plain.found", "data.plain.wanted", "data.plain.ordered_only"]
        yield engine.compile({**library(), "plain.rego": PLAIN}, data, entrypoints=names, strict=False)


def asked(statement, directory, kinds):
    task = {"intent_source": "signed", "statement": statement}
    return json.dumps({"task": task, "directory": directory, "kinds": kinds}).encode()


WORDS = (
    *(
        "cancel",
        "order",
        "1006",
        "O-1007",
        "no.",
        "#12",
        "tell",
        "Ann",
        "it",
        "them",
        "don't",
        "please",
        "zap",
        "the",
    ),
    *(
        "Orders",
        "refund",
        "if",
        "wants to",
        "from",
        "Ann's",
        "report.pdf",
        "parcel",
        "7",
        "wasn't",
        "box_7",
        "Moss",
    ),
    *(
        "cancel order 1006",
        "tell Ann Lee",
        "cancel that of Bob Moss",
        "look at O-1007",
        "zap box_7",
        "orders 12 and 9",
    ),
)
DIRECTORY = {
    "O-1006": ["Ann Lee"], "O-1007": ["Bob Moss"], "o1008": ["Zoë"], "12": ["Lee"], "box_7": ["Order", "Box"],
    "ann@shop.example": ["Ann"], "report.pdf": [], "P 7": ["Moss-Lee"], "#9": ["Nine"], "parcel/7": ["Ann Lee"],
}  # fmt: skip


@settings(max_examples=300)
@given(
    words=st.lists(st.sampled_from(WORDS), max_size=12),
    glue=st.sampled_from([" ", ", ", " and ", ". ", "\n"]),
    ids=st.sets(st.sampled_from(sorted(DIRECTORY))),
    kinds=st.sets(st.sampled_from(["order", "parcel", "box"])),
)
def test_what_is_found_is_what_a_plain_search_finds(policy, words, glue, ids, kinds):
    document = asked(glue.join(words), {id_: DIRECTORY[id_] for id_ in sorted(ids)}, sorted(kinds))
    found, wanted = (
        json.loads(policy.evaluate_blocking(f"data.plain.{name}", document, deadline_seconds=10))
        for name in ("found", "wanted")
    )
    assert found == wanted


def test_the_time_grows_with_the_text_and_not_with_its_square(policy):
    """Twice the clauses take about twice the time; the plain search takes four times."""

    def seconds(sentences):
        document = asked("Check the box, file it, " * sentences, {"O-1": ["Ann"]}, [])
        begun = []
        for _ in range(5):
            at = time.process_time()
            policy.evaluate_blocking("data.plain.ordered_only", document, deadline_seconds=10)
            begun.append(time.process_time() - at)
        return min(begun)

    assert seconds(160) < seconds(40) * 8
