"""A long part of an input stands once in each file of the log, and every record can be completed from its own file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabard_sidecar.cli import main
from tabard_sidecar.records.completing import completed, left_out
from tabard_sidecar.records.file_sink import closed_files
from tabard_sidecar.records.lines import lines_of, records_of
from tabard_sidecar.records.sinks import StreamSink
from tabard_sidecar.records.verification import Audit
from tabard_sidecar.util.json_parts import LONG_BYTES, LongPart, joined, may_repeat, series
from tabard_sidecar.util.jsontext import encode

from tests.unit.records.test_decision_log import Bench, file_sink, record


def asked(number, filler, labels, *, operation="authorize"):
    """The parts of an input, as the pipeline makes them."""
    constraints = [{"tools": [filler]}]
    who = encode(
        {
            "subject": {"id": "7", "issuer": "https://idp.example", "claims": {"n": number % 3}},
            "agent": {"id": "spiffe://x/a"},
            "task": {"id": "t", "statement": "words"},
            "delegation": {"depth": 0, "chain": [{"holder": "spiffe://x/a"}], "constraints": constraints},
        }
    )[1:-2]
    brief = (
        b'"subject":{"id":"7","issuer":"https://idp.example"},"agent":{"id":"spiffe://x/a"},"task":{"id":"t"}'
    )
    return joined(
        b'{"operation":"%b",' % operation.encode(),
        may_repeat(who, brief + b',"delegation":{"depth":0', "subject", "agent", "task", "delegation"),
        b',"children":%d},"tool":{"name":"a","arguments":{"n":%d}},"history":{"calls":[],"labels":'
        % (number, number),
        changing(labels),
        b"}}",
    )


def changing(labels):
    """A list of a task that changes by a few items."""
    text = encode(labels)
    if len(text) <= LONG_BYTES:
        return text
    return LongPart(
        text, b"null", ("history.labels",), tuple(map(encode, labels)), series("history.labels", "t")
    )


def read(*files):
    lines = lines_of(io.BytesIO(b"".join(file.read_bytes() for file in files)))
    return list(completed(records_of("", lines, pytest.fail)))


async def written(log, numbered):
    for number, text in numbered:
        given = record(number, input_json=text.text, input_parts=text.parts, result={"decision": "deny"})
        await log.record(given)


# Text, and how often it comes.
LONG = st.sampled_from([("x", LONG_BYTES * 2), ("é\n", LONG_BYTES), ("short", 1), ("z", LONG_BYTES + 50)])
# Numbers of labels of 200 bytes.
LABELS = st.one_of(
    st.sampled_from([range(0), range(1), range(40)]),
    st.builds(range, st.integers(0, 20), st.integers(21, 60), st.integers(1, 2)),
)
MASKS = st.sampled_from([None, ["/input/subject/claims"], ["/input/history/labels/3"], ["/input"], [5]])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(LONG, LABELS, MASKS), min_size=1, max_size=30), st.sampled_from([30_000, 10**9]))
async def test_every_file_alone_tells_what_policy_saw(calls, max_bytes):
    """Whatever repeats, changes, is masked or rotated: what is completed from one file is the input that was recorded."""
    now = []

    async def mask(body):
        return now[-1] or []

    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        short = Bench(file_sink(path, max_bytes=max_bytes), mask=mask)
        plain = Path(folder) / "plain"
        whole = Bench(
            file_sink(plain, max_bytes=1), mask=mask
        )  # a file for each record: nothing can be left out
        for number, (filler, labels, masks) in enumerate(calls):
            now.append(masks)
            text = asked(number, filler[0] * filler[1], [f"{one:0200}" for one in labels])
            await written(short.log, [(number, text)])
            await whole.log.record(record(number, input_json=text.text, result={"decision": "deny"}))
        short.log.close()
        whole.log.close()
        files = [*(file for _, file in closed_files(path)), path]
        found = [one for file in files for one in read(file)]
        alone = [*(file for _, file in closed_files(plain)), plain]
        wanted = [json.loads(file.read_bytes()) for file in alone]
        assert [one.get("input") for one in found] == [one.get("input") for one in wanted]
        assert not any(map(left_out, found))
        audit = Audit()
        for file in files:
            audit.read(io.BytesIO(file.read_bytes()))
        audit.finish()
        assert audit.intact
        assert audit.incomplete == 0


async def test_a_long_part_is_written_once(tmp_path):
    """A hundred records of one grant hold it once; who asked is in every one of them."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await written(bench.log, [(number, asked(0, "x" * 60_000, [])) for number in range(100)])
    lines = path.read_bytes().splitlines()
    assert sum(map(len, lines)) < 60_000 + 100 * 1_000
    for line in lines[1:]:
        short = json.loads(line)
        assert short["input"]["subject"] == {"id": "7", "issuer": "https://idp.example"}
        assert short["input"]["task"] == {"id": "t"}
        assert short["left_out"][0]["sequence"] == 1
        assert short["left_out"][0]["hash"] == json.loads(lines[0])["hash"]


async def test_of_a_list_that_grows_what_is_new_is_written(tmp_path):
    """A task's calls move on by one, its labels grow in between: a record holds the new ones and the runs of the others."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    history = [f"{number:0200}" for number in range(300)]
    for number in range(100):
        await written(bench.log, [(number, asked(0, "", history[number : number + 40]))])
    lines = path.read_bytes().splitlines()
    assert sum(map(len, lines)) < 40 * 200 + 100 * 1_300
    assert json.loads(lines[-1])["input"]["history"]["labels"] == [None, history[138]]
    assert json.loads(lines[-1])["left_out"][0]["items"] == [[1, 40]]
    assert read(path)[-1]["input"]["history"]["labels"] == history[99:139]


async def test_a_file_that_was_emptied_or_replaced_gets_the_part_again(tmp_path):
    """After copy-and-truncate, a rename from outside, or SIGHUP, the next record is whole."""
    path, numbers = tmp_path / "log", iter(range(100))

    async def write(bench):
        await written(bench.log, [(next(numbers), asked(0, "x" * 60_000, [])) for _ in range(2)])

    sink = file_sink(path)
    bench = Bench(sink)
    for change in (
        lambda: path.write_bytes(b""),
        lambda: path.rename(tmp_path / "moved"),
        bench.log.reopen,
    ):
        await write(bench)
        change()
        sink._check_at = 0.0
        await write(bench)
        assert not any(map(left_out, read(path)))


async def test_a_stream_gets_the_part_again_after_a_minute(monkeypatch, tmp_path):
    """Standard output is cut by who keeps it, so nothing refers further back than a minute."""
    path, now = tmp_path / "out", [1000.0]
    monkeypatch.setattr("tabard_sidecar.records.sinks.time.monotonic", lambda: now[0])
    with path.open("wb") as stream:
        bench = Bench(StreamSink(stream.fileno(), stall_seconds=1.0))
        for _ in range(2):
            await written(bench.log, [(number, asked(0, "x" * 60_000, [])) for number in range(2)])
            now[0] += 60
    assert [bool(left_out(json.loads(line))) for line in path.read_bytes().splitlines()] == [
        False,
        True,
        False,
        True,
    ]


async def test_a_record_whose_other_part_is_elsewhere_says_so(tmp_path, capsys):
    """`tabard log` names what is missing, `tabard audit verify` counts it, and no input is printed that isn't whole."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await written(bench.log, [(number, asked(0, "x" * 60_000, [])) for number in range(3)])
    lines = path.read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut"
    cut.write_bytes(b"".join(lines[1:]))
    first = json.loads(lines[0])
    head = f"{first['chain']['id']}:1:{first['hash']}"

    assert main(["log", "search", str(cut), "--json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["incomplete"][0]["sequence"] for one in shown] == [1, 1]
    assert main(["log", "search", str(cut)]) == 0
    assert "the rest stands in record 1, which isn't here" in capsys.readouterr().out
    assert main(["audit", "verify", str(cut), "--after", head]) == 0
    assert "2 of them leave out what earlier records hold" in capsys.readouterr().out
    assert main(["log", "search", str(path), str(cut), "--json"]) == 0
    assert not any(json.loads(line)["incomplete"] for line in capsys.readouterr().out.splitlines())
