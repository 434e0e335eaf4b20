"""The workspaces themselves: catalogue, tools, texts and places for injections."""

import inspect
import re

import pytest

from bench.workspaces.world import (
    INSIDE,
    OUTSIDE,
    WORKSPACES,
    ToolError,
    open_catalogue,
    open_world,
    placeholders,
)

PERSON = {"clinic": "mwood", "logistics": "hsato"}


@pytest.fixture(params=WORKSPACES)
def workspace(request):
    return request.param


@pytest.fixture
def world(workspace):
    return open_world(workspace, PERSON[workspace])


def test_thirty_tools_that_the_catalogue_and_the_world_agree_on(workspace, world):
    catalogue = {spec.name: spec for spec in open_catalogue(workspace)}
    assert len(catalogue) == 30
    assert world.tools == catalogue.keys()
    for name, spec in catalogue.items():
        parameters = inspect.signature(world._tools[name]).parameters.values()
        named = {one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD}
        open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
        assert named == spec.arguments or (open_ended and named < spec.arguments), name
        required = {one.name for one in parameters if one.default is inspect.Parameter.empty} & named
        assert required <= set(spec.schema.get("required", [])), name


def test_only_reading_tools_leave_the_world_as_it_is(workspace, world):
    """A tool that the catalogue calls read-only has a name that says so."""
    reads = re.compile(r"\.(directory|fetch|free|get|list|read|search|track)$")
    for spec in open_catalogue(workspace):
        assert spec.read_only == bool(reads.search(spec.name)), spec.name


def test_every_place_is_empty_without_an_attack_and_is_read_by_a_call(workspace):
    places = placeholders(workspace)
    assert len(places) == 10
    assert "{injection" not in str(open_world(workspace, "").texts)
    found = set()
    for place in places:
        world = open_world(workspace, PERSON[workspace], {place: "MARK"})
        reading = [answer for call in _readings(world) if "MARK" in str((answer := world.call(*call)).value)]
        if reading:
            found.add(place)
        # What a stranger may have written is never called our own.
        assert all(answer.labels == (OUTSIDE,) and INSIDE not in answer.facts for answer in reading)
    assert found == places


def _readings(world):
    single = {
        "appointments.list": [{}],
        "documents.read": [{"document_id": key} for key in world.texts.get("documents", ())],
        "files.read": [{"path": key} for key in world.texts.get("files", ())],
        "inbox.read": [{"message_id": key} for key in world.texts.get("messages", ())],
        "invoices.read": [{"invoice_id": key} for key in world.texts.get("invoices", ())],
        "logs.read": [{"service": key} for key in world.texts.get("logs", ())],
        "orders.get": [{"order_id": key} for key in world.records.get("orders", ())],
        "records.read": [{"record_id": key} for key in world.texts.get("records", ())],
        "shipments.track": [{"shipment_id": key} for key in world.records.get("shipments", ())],
        "tickets.read": [{"ticket_id": key} for key in world.texts.get("tickets", ())],
        "web.fetch": [{"url": key} for key in world.texts.get("pages", ())],
    }
    return [(name, args) for name, many in single.items() if name in world.tools for args in many]


CHANGES = {
    "clinic": [
        ("patients.update_contact", {"patient_id": "P-101", "phone": "+44 7700 900999"}),
        ("records.add_note", {"patient_id": "P-101", "title": "Call", "text": "Called back."}),
        ("records.share", {"record_id": "R-402", "recipient": "a@b.example", "reason": "asked"}),
        ("records.release", {"record_id": "R-402", "comment": "All well."}),
        ("prescriptions.issue", {"patient_id": "P-101", "drug": "Ramipril", "dose": "5 mg", "quantity": 28}),
        ("prescriptions.send", {"prescription_id": "RX-901", "pharmacy_id": "PR-5"}),
        ("prescriptions.cancel", {"prescription_id": "RX-901", "reason": "dose"}),
        ("appointments.book", {"patient_id": "P-102", "clinician": "nokafor", "start": "2026-12-01T10:00", "reason": "knee"}),
        ("appointments.move", {"appointment_id": "A-901", "start": "2026-12-01T10:30"}),
        ("appointments.cancel", {"appointment_id": "A-901", "reason": "ill"}),
        ("rota.swap", {"date": "2026-12-03", "from_staff": "ghaddad", "to_staff": "rferri"}),
        ("mail.send", {"to": ["a@b.example"], "subject": "x", "body": "y", "attachments": ["R-402", "D-601"]}),
        ("sms.send", {"patient_id": "P-101", "text": "See you."}),
        ("portal.reply", {"message_id": "M-501", "text": "Yes."}),
        ("staff.message", {"to": ["ghaddad", "rferri"], "text": "Hello."}),
        ("referrals.create", {"patient_id": "P-102", "provider_id": "PR-7", "urgency": "routine", "letter": "x", "records": ["R-404"]}),
    ],
    "logistics": [
        ("orders.update_address", {"order_id": "O-1004", "address": "Uferweg 8, Tangermuende"}),
        ("orders.cancel", {"order_id": "O-1001", "reason": "asked"}),
        ("orders.refund", {"order_id": "O-1006", "amount_cents": 5900, "reason": "returned"}),
        ("shipments.create", {"order_id": "O-1002", "carrier": "corvid", "service": "express"}),
        ("stock.adjust", {"sku": "PAD-03", "warehouse": "east", "delta": -2, "reason": "count"}),
        ("prices.set", {"sku": "PAD-03", "price_cents": 5700}),
        ("suppliers.update_bank", {"supplier_id": "SUP-12", "iban": "DE02120300000000202051"}),
        ("purchases.create", {"supplier_id": "SUP-14", "sku": "ROP-10", "quantity": 20, "unit_price_cents": 700}),
        ("payments.send", {"iban": "BE68539007547034", "amount_cents": 51260, "reference": "INV-804", "invoice_id": "INV-804"}),
        ("files.write", {"path": "/reports/new.md", "content": "x"}),
        ("files.share", {"path": "/reports/new.md", "with": "a@b.example", "days": 3}),
        ("files.delete", {"path": "/reports/new.md"}),
        ("web.post", {"url": "https://www.bluelane.example/claims", "body": "shipment=S-7002"}),
        ("tickets.reply", {"ticket_id": "T-301", "text": "Sorry.", "close": True}),
        ("shell.run", {"host": "warehouse-east", "command": "systemctl restart labels"}),
        ("deploys.start", {"service": "labels", "version": "2.3.1", "environment": "production"}),
    ],
}  # fmt: skip


def test_every_tool_that_changes_something_works(workspace, world):
    catalogue = open_catalogue(workspace)
    for name, args in CHANGES[workspace]:
        assert catalogue.lookup(name, "").validate(args) is None, name
        assert world.call(name, args).value
    changing = {spec.name for spec in catalogue if not spec.read_only}
    assert {name for name, _ in world.done} == changing


def test_equal_calls_on_equal_worlds_have_equal_results(workspace):
    first, second = (open_world(workspace, PERSON[workspace]) for _ in range(2))
    for name, args in _readings(first):
        assert first.call(name, args) == second.call(name, args)


def test_what_is_made_gets_the_next_id_and_is_there_afterwards():
    clinic = open_world("clinic", "nokafor")
    issued = {"patient_id": "P-106", "drug": "Furosemide", "dose": "40 mg", "quantity": 28}
    assert clinic.call("prescriptions.issue", issued).value == {"prescription_id": "RX-901"}
    assert clinic.call("prescriptions.issue", issued).value == {"prescription_id": "RX-902"}
    listed = clinic.call("medications.list", {"patient_id": "P-106"}).value["prescriptions"]
    assert [one["by"] for one in listed] == ["nokafor", "nokafor", "nokafor"]
    assert clinic.done[0] == ("prescriptions.issue", issued)


@pytest.mark.parametrize(
    ("workspace", "tool", "args"),
    [
        ("clinic", "patients.get", {"patient_id": "P-999"}),
        ("clinic", "appointments.move", {"appointment_id": "A-301", "start": "2026-11-30T10:00"}),
        ("clinic", "appointments.book", {"patient_id": "P-101", "clinician": "ghaddad", "start": "2026-11-30T10:00", "reason": "x"}),
        ("clinic", "prescriptions.send", {"prescription_id": "RX-201", "pharmacy_id": "PR-1"}),
        ("clinic", "rota.get", {"week": "2026-W60"}),
        ("logistics", "orders.refund", {"order_id": "O-1009", "amount_cents": 1, "reason": "x"}),
        ("logistics", "payments.send", {"iban": "FR14", "amount_cents": 1, "reference": "x", "invoice_id": "INV-805"}),
        ("logistics", "shipments.create", {"order_id": "O-1001", "carrier": "corvid"}),
        ("logistics", "files.write", {"path": "/etc/passwd", "content": "x"}),
        ("logistics", "no.tool", {}),
    ],
)  # fmt: skip
def test_a_tool_refuses_what_cannot_be_done(workspace, tool, args):
    world = open_world(workspace, PERSON[workspace])
    with pytest.raises(ToolError):
        world.call(tool, args)
    assert world.done == []


def test_the_backend_knows_which_texts_people_outside_wrote():
    clinic = open_world("clinic", "mwood")
    assert clinic.call("records.read", {"record_id": "R-401"}).labels == ()
    assert clinic.call("records.read", {"record_id": "R-403"}).labels == (OUTSIDE,)
    assert clinic.call("inbox.read", {"message_id": "M-508"}).labels == ()
    assert clinic.call("staff.directory", {}).labels == ()
    inside = [
        clinic.call("records.read", {"record_id": record}).facts.get(INSIDE)
        for record in ("R-401", "R-403", "R-401")
    ]
    assert inside == [{"call-5"}, None, {"call-7"}]


@pytest.mark.parametrize(
    ("workspace", "call", "facts"),
    [
        ("clinic", ("inbox.read", {"message_id": "M-502"}), {"belongs": {"M-502:P-101"}}),
        (
            "clinic",
            ("records.add_note", {"patient_id": "P-101", "title": "t", "text": "x"}),
            {"made": {"R-901"}, INSIDE: {"call-1"}},
        ),
        ("logistics", ("tickets.read", {"ticket_id": "T-302"}), {"belongs": {"T-302:O-1006"}}),
    ],
)
def test_a_backend_knows_what_a_call_made_and_whose_a_result_is(workspace, call, facts):
    world = open_world(workspace, PERSON[workspace])
    assert world.call(*call).facts == facts
