import asyncio
import contextlib
import io
import json
import os
import pty
import resource
import signal
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tabard_sidecar import exit_codes
from tabard_sidecar.cli import main
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.health import Health, State
from tabard_sidecar.interfaces import DecisionRecord, Unverified
from tabard_sidecar.model import Operation
from tabard_sidecar.records import file_sink as file_sinks
from tabard_sidecar.records.audit import AuditObserver, create_decision_log
from tabard_sidecar.records.chain import read_head
from tabard_sidecar.records.conf import AuditConfig
from tabard_sidecar.records.decision_log import Hooks, SinkDecisionLog
from tabard_sidecar.records.file_sink import FileSink, closed_files, mark_of
from tabard_sidecar.records.metrics import Metrics
from tabard_sidecar.records.sinks import SinkError, StreamSink
from tabard_sidecar.records.verification import Audit

from tests.support.waiting import eventually


class Bench:
    """A decision log with everything that observes it."""

    def __init__(self, sink, *, required=False, issuers=(), **hooks):
        self.registry = CollectorRegistry()
        self.health = Health()
        self.observer = AuditObserver(
            Metrics(self.registry), self.health.component("audit"), required=required
        )
        self.log = SinkDecisionLog(
            sink,
            labels={"id": "one"},
            required=required,
            observer=self.observer,
            hooks=Hooks(**hooks),
            issuers=issuers,
        )

    def metric(self, name, **labels):
        return self.registry.get_sample_value(name, labels)

    @property
    def state(self):
        return self.health.snapshot().components["audit"].state


def record(number=0, event="outcome", **changes):
    fields = {
        "event": event,
        "decision_id": f"id-{number}",
        "operation": Operation.AUTHORIZE,
        "timestamp": 1_700_000_000.25,
        "input_json": b'{"tool":{"name":"a","arguments":{"password":"hunter2","n":[1,2]}}}',
        "result": {"decision": "allow"},
        "policy_revision": "abc",
    }
    return DecisionRecord(**{**fields, **changes})


def file_sink(path, **changes):
    return FileSink(
        path, **{"max_bytes": 10**9, "max_total_bytes": 10**10, "keep_seconds": 86_400.0, **changes}
    )


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def audited(*paths):
    audit = Audit()
    for path in paths:
        audit.read(io.BytesIO(path.read_bytes()))
    audit.finish()
    return audit


async def test_record_has_opas_shape(tmp_path):
    """A line holds OPA's fields, what Tabard adds, and the input as it was evaluated."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path), trace_ids=lambda: ("a" * 32, "b" * 16))
    await bench.log.record(record(request_id='r"1', metrics={"timer_rego_query_eval_ns": 5}))
    (line,) = lines(path)
    chain, digest = line.pop("chain"), line.pop("hash")
    assert line == {
        "labels": {"id": "one"},
        "decision_id": "id-0",
        "event": "outcome",
        "operation": "authorize",
        "path": "tabard/decision",
        "timestamp": "2023-11-14T22:13:20.250000000Z",
        "bundles": {"policy": {"revision": "abc"}},
        "input": {"tool": {"name": "a", "arguments": {"password": "hunter2", "n": [1, 2]}}},
        "result": {"decision": "allow"},
        "request_id": 'r"1',
        "metrics": {"timer_rego_query_eval_ns": 5},
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
    }
    assert chain["sequence"] == 1
    assert chain["previous"] == "0" * 64
    assert len(digest) == 64
    assert path.stat().st_mode & 0o777 == 0o600


async def test_newlines_in_the_input_do_not_break_the_line(tmp_path):
    """An input with insignificant newlines still makes one line."""
    path = tmp_path / "log"
    await Bench(file_sink(path)).log.record(record(input_json=b'{\r\n "a":\n 1}'))
    assert [line["input"] for line in lines(path)] == [{"a": 1}]
    assert audited(path).intact


async def test_chain_goes_on_over_restarts(tmp_path):
    """A new process continues the chain of the file it finds."""
    path = tmp_path / "log"
    for start in range(3):
        bench = Bench(file_sink(path))
        for number in range(4):
            await bench.log.record(record(start * 4 + number))
        bench.log.close()
    audit = audited(path)
    assert audit.intact
    assert [head.sequence for head in audit.chains.values()] == [12]


async def test_chain_goes_on_over_rotation(tmp_path):
    """Closed files, oldest first, are one chain; none is removed to make room, and each has the number of its last record."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000))
    for number in range(20):
        await bench.log.record(record(number))
    closed = [file for _, file in closed_files(path)]
    assert all(file.stat().st_size <= 2000 for file in [*closed, path])
    assert len(lines(closed[0])) == closed_files(path)[0][0]
    audit = audited(*closed, path)
    assert audit.intact
    assert audit.records == 20
    assert audit.starts_at == 1


async def test_file_is_removed_after_its_time_and_the_log_says_so(tmp_path):
    """A closed file whose last record is older than the time is removed; the chain explains what is missing."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000))
    for number in range(6):
        await bench.log.record(record(number))
    old = closed_files(path)
    for number in range(20):
        await bench.log.record(record(number, timestamp=time.time()))
    before = closed_files(path)
    await bench.log.tidy()
    after = closed_files(path)
    assert set(old) & set(after) <= {old[-1]}
    assert set(before) - set(after)
    audit = audited(*(file for _, file in after), path)
    assert audit.intact
    assert audit.starts_at > 1


async def test_shipped_file_is_removed_before_its_time(tmp_path):
    """A mark with the file's own head removes it; a mark with another head doesn't, and a younger file waits."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000))
    for number in range(20):
        await bench.log.record(record(number, timestamp=time.time()))
    before = [file for _, file in closed_files(path)]
    mark_of(before[1]).write_text(str(read_head(before[1].read_bytes().splitlines()[-1])))
    mark_of(before[0]).write_text(str(read_head(before[1].read_bytes().splitlines()[-1])))
    await bench.log.tidy()
    assert [file for _, file in closed_files(path)] == before
    mark_of(before[0]).write_text(str(read_head(before[0].read_bytes().splitlines()[-1])))
    bench.log._tidied_at = float("-inf")
    await bench.log.tidy()
    assert [file for _, file in closed_files(path)] == before[2:]
    assert not list(tmp_path.glob("*.shipped"))
    assert audited(*before[2:], path).intact


async def flood(bench):
    for number in range(30):
        await bench.log.record(record(number, timestamp=time.time()))


@pytest.mark.parametrize("required", [True, False])
async def test_full_log_refuses_and_removes_nothing(tmp_path, required):
    """When the files take all the space, records are refused; nothing is removed before its time."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000, max_total_bytes=6000), required=required)
    with pytest.raises(NoDecision) if required else contextlib.nullcontext():
        await flood(bench)
    files = [*(file for _, file in closed_files(path)), path]
    assert sum(file.stat().st_size for file in files) <= 6000
    assert bench.state is (State.FAILED if required else State.DEGRADED)
    audit = audited(*files)
    assert audit.intact
    assert audit.starts_at == 1
    assert [line["decision_id"] for file in files for line in lines(file)][:3] == ["id-0", "id-1", "id-2"]
    await bench.log.stop()


async def test_full_log_works_again_when_files_were_shipped(tmp_path, monkeypatch):
    """Marking files as shipped makes room, without a restart; a note says how many records were refused."""
    monkeypatch.setattr("tabard_sidecar.records.decision_log._RETRY_SECONDS", 0.02)
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000, max_total_bytes=6000), required=True)
    with pytest.raises(NoDecision, match=r"audit\.max_total_bytes"):
        await flood(bench)
    assert bench.state is State.FAILED
    for _, file in closed_files(path):
        mark_of(file).write_text(str(read_head(file.read_bytes().splitlines()[-1])))
    async with asyncio.timeout(60):
        while bench.state is not State.OK:  # noqa: ASYNC110 - health has no event
            await asyncio.sleep(0.01)
    files = [*(file for _, file in closed_files(path)), path]
    found = [line["result"] for file in files for line in lines(file) if line["event"] == "log"]
    assert [sorted(result) for result in found] == [["removed"], ["lost"]]
    assert audited(*files).intact
    await bench.log.stop()


async def test_refusals_without_a_grant_leave_little(tmp_path):
    """However many and however large: a few short records, without a word of the request, and then counts."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    asked = b'{"tool":{"name":"evil.words","arguments":"%b"}}' % (b"x" * 100_000)
    for number in range(5_000):
        await bench.log.unverified(
            Unverified(f"id-{number}", Operation.AUTHORIZE, 1.0, "grant_malformed", "no grant", lambda: asked)
        )
    assert path.stat().st_size < 40_000
    await bench.log.stop()
    found = lines(path)
    assert "evil" not in path.read_text()
    assert found[0]["result"]["unverified"] == {"sha256": sha256(asked).hexdigest(), "bytes": len(asked)}
    assert found[0]["result"]["reasons"][0]["code"] == "grant_malformed"
    counts = found[-1]["result"]["unverified"]
    assert counts == [{"operation": "authorize", "code": "grant_malformed", "count": 5_000 - len(found) + 1}]
    assert audited(path).intact


async def test_restart_right_after_rotation_continues(tmp_path):
    """If the current file is still empty the chain continues from the one before."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await bench.log.record(record())
    bench.log.close()
    path.rename(tmp_path / "log.1")
    await Bench(file_sink(path)).log.record(record(1))
    assert lines(path)[0]["chain"]["sequence"] == 2


async def test_concurrent_records_keep_one_order(tmp_path):
    """Records written at the same time stand in the chain's order."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await asyncio.gather(*(bench.log.record(record(number)) for number in range(50)))
    assert audited(path).intact


@pytest.mark.parametrize("required", [True, False])
async def test_full_disk(required):
    """A full disk denies if the log is required, else it shows; both end by themselves."""
    sink = FullDisk()
    bench = Bench(sink, required=required)
    await bench.log.record(record(0))
    sink.full = True
    if required:
        with pytest.raises(NoDecision) as caught:
            await bench.log.record(record(1))
        assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "audit_unavailable")
    else:
        await bench.log.record(record(1))
    assert bench.metric("tabard_audit_failures_total") == 1
    assert bench.state is (State.FAILED if required else State.DEGRADED)
    sink.full = False
    await bench.log.record(record(2))
    assert bench.state is State.OK
    audit = Audit()
    audit.read(io.BytesIO(b"".join(sink.lines)))
    assert audit.intact


class FullDisk:
    """A sink that can be told to fail."""

    terminal = False

    def __init__(self):
        self.full = False
        self.lines = []

    async def write(self, line, *, own=False, room=0):  # noqa: ARG002 - the interface's
        if self.full:
            raise SinkError("no space left on device")
        self.lines.append(line)

    def place(self, size):  # noqa: ARG002 - the interface's
        return 0

    def check(self, size=1):
        pass

    def probe(self):
        pass

    def removable(self, now):  # noqa: ARG002 - the interface's
        return []

    def last_line(self):
        return None

    def reopen(self):
        pass

    def close(self):
        pass


async def test_what_was_made_without_its_record_is_named_afterwards():
    """A disk that is full at the very record of a start: when the log works again, it says which task that was."""
    sink = FullDisk()
    bench = Bench(sink, required=True)
    sink.full = True
    for number, made in enumerate(({"task_id": "t", "link": "l"}, {"decision": "deny"})):
        with pytest.raises(NoDecision):
            await bench.log.record(record(number, operation=Operation.START_TASK, result=made))
    sink.full = False
    await eventually(lambda: bool(sink.lines))
    await bench.log.stop()
    made = [{"decision_id": "id-0", "operation": "start_task", "task_id": "t", "link": "l"}]
    assert json.loads(sink.lines[0])["result"] == {"lost": 2, "made": made}


async def test_room_is_kept_for_what_has_begun(tmp_path):
    """Others' records leave the room that a decision holds; with its outcome it gives it back."""
    log = Bench(
        file_sink(tmp_path / "log", max_bytes=64 * 1024, max_total_bytes=128 * 1024), required=True
    ).log
    log.hold("begun", 60_000)
    with pytest.raises(NoDecision):
        log.hold("other", 100_000)
    await eventually(log._recovery.done)
    large = b'{"a":"%b"}' % (b"x" * 30_000)
    await log.record(record(1, input_json=large))
    await log.record(record(2, input_json=large))
    with pytest.raises(NoDecision):
        await log.record(record(3, input_json=large))
    await log.record(record(decision_id="begun", event="intent", input_json=b'{"a":"%b"}' % (b"x" * 50_000)))
    await log.record(record(decision_id="begun", result={"decision": "allow"}, input_json=b""))
    assert not log._held
    await log.stop()


async def test_dev_full_is_refused_as_a_file():
    """Only regular files are appended to; a device answers with a clear error."""
    bench = Bench(file_sink(Path("/dev/full")), required=True)
    with pytest.raises(NoDecision, match="not a regular file"):
        await bench.log.record(record())


async def test_stream_to_full_device():
    """Standard output on a full device is a broken sink."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    bench = Bench(StreamSink(descriptor, stall_seconds=0.1), required=True)
    os.close(descriptor)
    with pytest.raises(NoDecision, match="No space left"):
        await bench.log.record(record())
    bench.log.close()


async def test_half_a_line_on_a_full_disk_is_taken_back(tmp_path):
    """A file system that takes only part of a line leaves no torn line behind."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await bench.log.record(record(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        await bench.log.record(record(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert bench.state is State.DEGRADED
    await bench.log.record(record(2))
    assert [line["decision_id"] for line in lines(path)] == ["id-0", "id-2"]
    assert audited(path).intact


async def test_torn_end_of_a_file_is_kept_and_found(tmp_path):
    """What a crash tore stays for the investigator; new records begin on a line of their own."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await bench.log.record(record(0))
    bench.log.close()
    with path.open("ab") as stream:
        stream.write(b'{"labels":{"id":"one"},"deci')
    await Bench(file_sink(path)).log.record(record(1))
    audit = audited(path)
    assert audit.records == 2
    assert [(finding.line, finding.message) for finding in audit.findings] == [
        (2, "the line is torn or not a record")
    ]


@pytest.mark.parametrize("cut", [1, 10, 40])
async def test_a_line_that_is_cut_while_the_log_is_open_hides_no_other(tmp_path, caplog, cut):
    """A truncating tool or a disk repair costs what it cut, and not the record after it."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    for number in range(3):
        await bench.log.record(record(number))
    os.truncate(path, path.stat().st_size - cut)
    await bench.log.record(record(3))
    await bench.log.record(record(4))
    *_, torn, third, fourth = path.read_bytes().splitlines()
    assert [json.loads(line)["decision_id"] for line in (third, fourth)] == ["id-3", "id-4"]
    assert b"id-2" in torn
    assert "decision log was changed" in caplog.text


async def test_a_log_that_others_may_write_is_refused_while_it_is_open(tmp_path, monkeypatch):
    """As it is when it is opened."""
    monkeypatch.setattr(file_sinks, "_RECHECK_SECONDS", 0.0)
    path = tmp_path / "log"
    bench = Bench(file_sink(path), required=True)
    await bench.log.record(record(0))
    path.chmod(0o666)
    with pytest.raises(NoDecision):
        await bench.log.record(record(1))


async def test_what_isnt_a_closed_file_is_told_and_read_by_no_command(tmp_path, caplog, capsys):
    """A pipe of such a name would hold every reader up for ever."""
    path = tmp_path / "log"
    sink = file_sink(path)
    await Bench(sink).log.record(record(0))
    pipe = tmp_path / "log.9"
    os.mkfifo(pipe)
    for _ in range(2):
        assert sink.removable(time.time()) == []
    assert caplog.text.count("isn't intact") == 1
    for command in ["audit", "verify", str(path)], ["log", "search", str(pipe)]:
        assert main(command) == exit_codes.UNREACHABLE
        assert "regular file" in capsys.readouterr().err


async def test_second_process_on_one_file_is_refused(tmp_path):
    """Two chains in one file would be no chain."""
    path = tmp_path / "log"
    first, second = Bench(file_sink(path)), Bench(file_sink(path), required=True)
    await first.log.record(record(0))
    with pytest.raises(NoDecision, match="give each sidecar its own"):
        await second.log.record(record(1))


async def test_file_that_was_moved_away_is_opened_anew(tmp_path):
    """After an outside rotation records go to the new file, at the latest after a second or at reopen."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path))
    await bench.log.record(record(0))
    path.rename(tmp_path / "moved")
    bench.log.reopen()
    await bench.log.record(record(1))
    assert [line["decision_id"] for line in lines(path)] == ["id-1"]
    assert audited(tmp_path / "moved", path).intact


async def test_symbolic_link_is_not_followed(tmp_path):
    """A link doesn't redirect the log."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    bench = Bench(file_sink(tmp_path / "link"), required=True)
    with pytest.raises(NoDecision):
        await bench.log.record(record())
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_log_that_others_can_write_is_refused(tmp_path, what):
    """Others could forge or remove records."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "log").touch(mode=0o600)
    (folder / "log" if what == "file" else folder).chmod(0o777)
    bench = Bench(file_sink(folder / "log"), required=True)
    with pytest.raises(NoDecision, match="every user can write to it"):
        await bench.log.record(record())


async def test_reader_that_stalls_does_not_stop_the_process():
    """A full pipe fails after the bound, then at once, and works again when it is read."""
    reader, writer = os.pipe()
    bench = Bench(StreamSink(writer, stall_seconds=0.05), required=True)
    written = 0
    with contextlib.suppress(NoDecision):
        while written < 1000:
            await bench.log.record(record(written, input_json=b'"%b"' % (b"x" * 10_000)))
            written += 1
    assert 0 < written < 1000
    with pytest.raises(NoDecision, match="its reader is too slow"):
        await bench.log.record(record())
    os.set_blocking(reader, False)
    received = b""
    while True:
        try:
            received += os.read(reader, 65536)
        except BlockingIOError:
            break
    await bench.log.record(record(99))
    received += os.read(reader, 65536)
    audit = Audit()
    audit.read(io.BytesIO(received))
    assert audit.records == written + 1
    assert {finding.message for finding in audit.findings} <= {"the line is torn or not a record"}
    bench.log.close()
    os.close(reader)
    os.close(writer)


async def test_a_cancelled_write_leaves_the_next_line_whole():
    """A caller that gives up in the middle of a line must not swallow the record after it."""
    reader, writer = os.pipe()
    bench = Bench(StreamSink(writer, stall_seconds=30), required=True)
    large = record(0, input_json=b'"%b"' % (b"x" * 100_000))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await bench.log.record(large)
    received = os.read(reader, 1 << 20)
    await bench.log.record(record(1))
    received += os.read(reader, 1 << 20)
    assert json.loads(received.splitlines()[-1])["decision_id"] == "id-1"
    await bench.log.stop()
    os.close(reader)
    os.close(writer)


async def test_a_log_that_is_full_at_the_start_is_not_ready(tmp_path):
    """Before the first request, not after it."""
    path = tmp_path / "log"
    bench = Bench(file_sink(path, max_bytes=2000, max_total_bytes=6000), required=True)
    with pytest.raises(NoDecision):
        await flood(bench)
    size = path.stat().st_size + sum(file.stat().st_size for _, file in closed_files(path))
    await bench.log.stop()
    bench = Bench(file_sink(path, max_bytes=2000, max_total_bytes=size), required=True)
    bench.log.open()
    await bench.log.start()
    assert bench.state is State.FAILED
    await bench.log.stop()


async def test_a_terminal_gets_ascii_only():
    """Standard output may be a terminal, which obeys control characters that an agent wrote."""
    reader, writer = pty.openpty()
    bench = Bench(StreamSink(writer, stall_seconds=1), required=True)
    said = {"a": "\x1b[2J\x9b31m\u202e\x7f ü"}
    await bench.log.record(record(input_json=json.dumps(said, ensure_ascii=False).encode()))
    shown = os.read(reader, 1 << 16).decode()
    assert shown.replace("\r\n", "").isascii()
    assert shown.replace("\r\n", "").isprintable()
    assert json.loads(shown)["input"] == said
    bench.log.close()
    os.close(reader)
    os.close(writer)


async def test_closed_pipe_is_a_broken_sink():
    """When standard output is no longer read, a required log denies."""
    reader, writer = os.pipe()
    bench = Bench(StreamSink(writer, stall_seconds=0.05), required=True)
    os.close(reader)
    with pytest.raises(NoDecision, match="Broken pipe"):
        await bench.log.record(record())
    bench.log.close()
    os.close(writer)


async def test_mask_erases_and_replaces(tmp_path):
    """Policy's masks are applied and their paths noted, as OPA does."""
    path = tmp_path / "log"
    seen = []

    async def mask(document):
        seen.append(json.loads(document))
        return [
            "/input/tool/arguments/password",
            {"op": "upsert", "path": "/input/tool/arguments/n/0", "value": "*"},
            {"op": "remove", "path": "/input/absent/path"},
        ]

    await Bench(file_sink(path), mask=mask).log.record(record())
    (line,) = lines(path)
    assert seen[0]["input"]["tool"]["arguments"]["password"] == "hunter2"
    assert line["input"]["tool"]["arguments"] == {"n": ["*", 2]}
    assert line["erased"] == ["/input/tool/arguments/password"]
    assert line["masked"] == ["/input/tool/arguments/n/0"]
    assert audited(path).intact


@pytest.mark.parametrize(
    "masks",
    [
        ["/chain/sequence"],
        [{"op": "rename", "path": "/input"}],
        [5],
        [{"op": "upsert", "path": "/input/x"}],
        ["/"],
    ],
)
async def test_mask_that_cannot_be_applied_erases_all_but_the_decision(tmp_path, masks):
    """If it isn't known what to hide, all is hidden that a mask can hide; decision, tool and digest stay."""
    path = tmp_path / "log"

    async def mask(_document):
        return masks

    bench = Bench(file_sink(path), mask=mask)
    await bench.log.record(record())
    (line,) = lines(path)
    assert line["input"] == {"tool": {"name": "a"}}
    assert line["result"] == {"decision": "allow"}
    assert line["erased"] == ["/input"]
    assert line["mask_error"] is True
    assert len(line["call_digest"]) == 64
    assert bench.metric("tabard_audit_mask_failures_total") == 1


async def test_mask_that_raises_erases_everything(tmp_path):
    """A policy that is gone can't say what to hide."""
    path = tmp_path / "log"

    async def mask(_document):
        raise NoDecision("UNAVAILABLE", "policy_unavailable", "no policy")

    await Bench(file_sink(path), mask=mask).log.record(record())
    assert "hunter2" not in path.read_text()


OWN_MACAROON = "AgEGdGFiYXJkAhB7InR5cGUiOiJncmFudCJ9AAAGIGJlYXJlcg"
FOREIGN_MACAROON = "MDAyMWxvY2F0aW9uIHRhYmFyZAowMDQ3aWRlbnRpZmllciB7InR5cGUiOiJncmFudCJ9Cg"


def token(**claims):
    parts = [json.dumps({"alg": "ES256"}), json.dumps(claims), "signature"]
    return ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


async def test_own_secrets_never_reach_the_log(tmp_path):
    """Tabard's macaroons and tokens of known issuers are replaced by their digests, wherever an agent put them."""
    path = tmp_path / "log"
    own = token(iss="https://idp.example", sub="alice")
    await Bench(file_sink(path), issuers=["https://idp.example"]).log.record(
        record(input_json=json.dumps({"a": own, "b": f"Bearer {OWN_MACAROON}", own: 1}).encode())
    )
    (line,) = lines(path)
    digest = f"[redacted sha256:{sha256(own.encode()).hexdigest()}]"
    assert line["input"] == {
        "a": digest,
        "b": f"Bearer [redacted sha256:{sha256(OWN_MACAROON.encode()).hexdigest()}]",
        digest: 1,
    }
    assert audited(path).intact


async def test_words_that_look_like_a_token_stay(tmp_path):
    """What only looks like a secret isn't hidden, or an agent could hide what it does by its form."""
    path = tmp_path / "log"
    said = {
        "recipient": token(iss="https://else.example", to="attacker@evil.example"),
        "body": "eyJhbGciOiJFUzI1NiJ9.bm90LWpzb24.c2lnbmF0dXJl",
        "tool": FOREIGN_MACAROON,
        "array": token() + "x",
    }
    await Bench(file_sink(path), issuers=["https://idp.example"]).log.record(
        record(input_json=json.dumps(said).encode())
    )
    assert lines(path)[0]["input"] == said


async def test_configuration_chooses_the_sink(tmp_path):
    """The section audit becomes a working log; configured labels are added."""
    registry = CollectorRegistry()
    config = AuditConfig(sink="file", path=tmp_path / "log", labels={"pod": "p"})
    observer = AuditObserver(Metrics(registry), Health().component("audit"))
    log = create_decision_log(config, labels={"id": "x"}, observer=observer)
    await log.record(record(event="intent"))
    assert lines(tmp_path / "log")[0]["labels"] == {"id": "x", "pod": "p"}
    assert registry.get_sample_value("tabard_audit_records_total", {"event": "intent"}) == 1
    log.close()
