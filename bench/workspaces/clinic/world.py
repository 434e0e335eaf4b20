"""The clinic's tools, in memory."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from bench.workspaces.world import ToolError, World, has_words, tool

_HOURS = [f"{hour:02}:{minute:02}" for hour in range(9, 17) for minute in (0, 30)]


class Clinic(World):
    """Patients, records, prescriptions, appointments, messages and documents of a practice."""

    def _patient(self, patient_id: str) -> dict[str, Any]:
        return self.one("patients", patient_id)

    def _staff(self, username: str) -> dict[str, Any]:
        return self.one("people", username)

    @tool("patients.search")
    def _patients_search(self, query: str, limit: int = 10) -> Any:
        found = [
            {"patient_id": key, "name": patient["name"], "born": patient["born"]}
            for key, patient in self.records["patients"].items()
            if has_words(query, patient["name"], patient["born"], patient["phone"], patient["email"])
        ]
        return {"patients": found[:limit]}

    @tool("patients.get")
    def _patients_get(self, patient_id: str) -> Any:
        return {"patient_id": patient_id, **self._patient(patient_id)}

    @tool("patients.update_contact")
    def _patients_update_contact(self, patient_id: str, **changes: str) -> Any:
        if not changes:
            raise ToolError("nothing to change")
        self._patient(patient_id).update(changes)
        return {"patient_id": patient_id, "changed": sorted(changes)}

    @tool("records.list")
    def _records_list(self, patient_id: str, kind: str = "") -> Any:
        self._patient(patient_id)
        shown = ("kind", "title", "date", "author")
        found = [
            {"record_id": key, **{name: record[name] for name in shown}}
            for key, record in self.texts["records"].items()
            if record["patient_id"] == patient_id and kind in {"", record["kind"]}
        ]
        return {"records": found}

    @tool("records.read")
    def _records_read(self, record_id: str) -> Any:
        record = self.one("records", record_id, texts=True)
        self.written_by([record["author"]])
        self.belongs(record_id, [record["patient_id"]])
        return {"record_id": record_id, **record}

    @tool("records.add_note")
    def _records_add_note(self, patient_id: str, title: str, text: str) -> Any:
        self._patient(patient_id)
        record_id = self.new_id("R")
        self.texts["records"][record_id] = {
            "patient_id": patient_id,
            "kind": "note",
            "title": title,
            "date": self.records["today"],
            "author": self.person,
            "text": text,
        }
        return {"record_id": record_id}

    @tool("records.share")
    def _records_share(self, record_id: str, recipient: str, reason: str) -> Any:
        self.one("records", record_id, texts=True)
        return {"sent_to": recipient, "reason": reason}

    @tool("records.release")
    def _records_release(self, record_id: str, comment: str = "") -> Any:
        record = self.one("records", record_id, texts=True)
        if record["kind"] not in {"lab", "letter"}:
            raise ToolError("only lab results and letters are released")
        record["released"] = True
        return {"record_id": record_id, "patient_id": record["patient_id"], "comment": comment}

    @tool("medications.list")
    def _medications_list(self, patient_id: str) -> Any:
        self._patient(patient_id)
        found = [
            {"prescription_id": key, **prescription}
            for key, prescription in self.records["prescriptions"].items()
            if prescription["patient_id"] == patient_id and prescription["status"] != "cancelled"
        ]
        return {"prescriptions": found}

    @tool("prescriptions.issue")
    def _prescriptions_issue(
        self, patient_id: str, drug: str, dose: str, quantity: int, repeats: int = 0
    ) -> Any:
        self._patient(patient_id)
        prescription_id = self.new_id("RX")
        self.records["prescriptions"][prescription_id] = {
            "patient_id": patient_id,
            "drug": drug,
            "dose": dose,
            "quantity": quantity,
            "repeats": repeats,
            "status": "active",
            "by": self.person,
        }
        return {"prescription_id": prescription_id}

    @tool("prescriptions.cancel")
    def _prescriptions_cancel(self, prescription_id: str, reason: str) -> Any:
        prescription = self.one("prescriptions", prescription_id)
        if prescription["status"] == "cancelled":
            raise ToolError("it is cancelled already")
        prescription.update(status="cancelled", reason=reason)
        return {"prescription_id": prescription_id, "status": "cancelled"}

    @tool("prescriptions.send")
    def _prescriptions_send(self, prescription_id: str, pharmacy_id: str) -> Any:
        prescription = self.one("prescriptions", prescription_id)
        pharmacy = self.one("providers", pharmacy_id)
        if pharmacy["kind"] != "pharmacy" or prescription["status"] == "cancelled":
            raise ToolError("only active prescriptions are sent, and only to pharmacies")
        prescription["sent_to"] = pharmacy_id
        return {"prescription_id": prescription_id, "sent_to": pharmacy["name"]}

    @tool("appointments.list")
    def _appointments_list(self, date: str = "", clinician: str = "", patient_id: str = "") -> Any:
        found = []
        for key, appointment in self.records["appointments"].items():
            wanted = (
                appointment["start"].startswith(date)
                and clinician in {"", appointment["clinician"]}
                and patient_id in {"", appointment["patient_id"]}
            )
            if wanted:
                patient = self._patient(appointment["patient_id"])
                self.written_by([patient["email"]] if appointment["by"] == "online" else [])
                reason = self.texts["reasons"].get(key, "")
                found.append(
                    {"appointment_id": key, **appointment, "patient": patient["name"], "reason": reason}
                )
        return {"appointments": found}

    @tool("appointments.free")
    def _appointments_free(self, clinician: str, date: str) -> Any:
        self._staff(clinician)
        if clinician not in self.records["rota"].get(date, []):
            return {"clinician": clinician, "free": []}
        starts = [f"{date}T{hour}" for hour in _HOURS]
        return {
            "clinician": clinician,
            "free": [start for start in starts if not self._taken(clinician, start)],
        }

    def _taken(self, clinician: str, start: str) -> bool:
        return any(
            appointment["clinician"] == clinician and appointment["start"] == start
            for appointment in self.records["appointments"].values()
        )

    def _require_free(self, clinician: str, start: str) -> None:
        if clinician not in self.records["rota"].get(start[:10], []):
            raise ToolError(f"{clinician} doesn't work on {start[:10]}")
        if self._taken(clinician, start):
            raise ToolError(f"{clinician} has another appointment at {start}")

    @tool("appointments.book")
    def _appointments_book(
        self, patient_id: str, clinician: str, start: str, reason: str, minutes: int = 30
    ) -> Any:
        self._patient(patient_id)
        self._staff(clinician)
        self._require_free(clinician, start)
        appointment_id = self.new_id("A")
        self.records["appointments"][appointment_id] = {
            "patient_id": patient_id,
            "clinician": clinician,
            "start": start,
            "minutes": minutes,
            "by": "staff",
        }
        self.texts["reasons"][appointment_id] = reason
        return {"appointment_id": appointment_id, "start": start}

    @tool("appointments.move")
    def _appointments_move(self, appointment_id: str, start: str) -> Any:
        appointment = self.one("appointments", appointment_id)
        self._require_free(appointment["clinician"], start)
        appointment["start"] = start
        return {"appointment_id": appointment_id, "start": start}

    @tool("appointments.cancel")
    def _appointments_cancel(self, appointment_id: str, reason: str) -> Any:
        self.one("appointments", appointment_id)
        del self.records["appointments"][appointment_id]
        return {"appointment_id": appointment_id, "reason": reason}

    @tool("rota.get")
    def _rota_get(self, week: str) -> Any:
        year, _, number = week.partition("-W")
        try:
            monday = date.fromisocalendar(int(year), int(number), 1)
        except ValueError:
            raise ToolError(f"there is no week {week}") from None
        days = [(monday + timedelta(days)).isoformat() for days in range(7)]
        return {"days": {day: self.records["rota"].get(day, []) for day in days}}

    @tool("rota.swap")
    def _rota_swap(self, date: str, from_staff: str, to_staff: str) -> Any:
        self._staff(to_staff)
        day = self.records["rota"].get(date, [])
        if from_staff not in day or to_staff in day:
            raise ToolError(f"{from_staff} must work on {date}, and {to_staff} must not")
        day[day.index(from_staff)] = to_staff
        return {"date": date, "works": day}

    @tool("inbox.list")
    def _inbox_list(self, channel: str = "", *, unread_only: bool = False) -> Any:
        shown = ("channel", "from", "date", "unread", "subject")
        found = [
            {"message_id": key, **{name: message[name] for name in shown}}
            for key, message in self.texts["messages"].items()
            if channel in {"", message["channel"]} and (message["unread"] or not unread_only)
        ]
        self.written_by(message["from"] for message in found)
        return {"messages": found}

    @tool("inbox.read")
    def _inbox_read(self, message_id: str) -> Any:
        message = self.one("messages", message_id, texts=True)
        self.written_by([message["from"]])
        self.belongs(message_id, [message["patient_id"]] if "patient_id" in message else [])
        message["unread"] = False
        return {"message_id": message_id, **message}

    @tool("mail.send")
    def _mail_send(
        self,
        to: list[str],
        subject: str,
        body: str,
        cc: list[str] | None = None,
        attachments: list[str] | None = None,
    ) -> Any:
        for attachment in attachments or []:
            self.one("records" if attachment.startswith("R") else "documents", attachment, texts=True)
        if any("@" not in address for address in [*to, *(cc or [])]):
            raise ToolError("recipients are mail addresses")
        return {"sent": self.new_id("S"), "to": [*to, *(cc or [])], "subject": subject, "bytes": len(body)}

    @tool("sms.send")
    def _sms_send(self, patient_id: str, text: str) -> Any:
        return {"sent": self.new_id("S"), "to": self._patient(patient_id)["phone"], "letters": len(text)}

    @tool("portal.reply")
    def _portal_reply(self, message_id: str, text: str) -> Any:
        message = self.one("messages", message_id, texts=True)
        if message["channel"] != "portal":
            raise ToolError("it isn't a portal message")
        return {"sent": self.new_id("S"), "to": message["from"], "letters": len(text)}

    @tool("staff.directory")
    def _staff_directory(self, query: str = "") -> Any:
        found = [
            {"username": key, **{name: person[name] for name in ("name", "role", "email")}}
            for key, person in self.records["people"].items()
            if has_words(query, key, person["name"], person["role"])
        ]
        return {"staff": found}

    @tool("staff.message")
    def _staff_message(self, to: list[str], text: str) -> Any:
        names = [self._staff(username)["name"] for username in to]
        return {"sent": self.new_id("S"), "to": names, "letters": len(text)}

    @tool("referrals.create")
    def _referrals_create(
        self, patient_id: str, provider_id: str, urgency: str, letter: str, records: list[str] | None = None
    ) -> Any:
        self._patient(patient_id)
        provider = self.one("providers", provider_id)
        for record_id in records or []:
            if self.one("records", record_id, texts=True)["patient_id"] != patient_id:
                raise ToolError(f"{record_id} is of another patient")
        return {
            "referral_id": self.new_id("RF"),
            "sent_to": provider["name"],
            "urgency": urgency,
            "letters": len(letter),
        }

    @tool("providers.search")
    def _providers_search(self, query: str, kind: str = "") -> Any:
        found = [
            {"provider_id": key, **provider}
            for key, provider in self.records["providers"].items()
            if kind in {"", provider["kind"]} and has_words(query, provider["name"], provider["kind"])
        ]
        return {"providers": found}

    @tool("documents.list")
    def _documents_list(self, query: str = "") -> Any:
        found = [
            {"document_id": key, "title": document["title"], "author": document["author"]}
            for key, document in self.texts["documents"].items()
            if has_words(query, document["title"])
        ]
        self.written_by(document["author"] for document in found)
        return {"documents": found}

    @tool("documents.read")
    def _documents_read(self, document_id: str) -> Any:
        document = self.one("documents", document_id, texts=True)
        self.written_by([document["author"]])
        return {"document_id": document_id, **document}


WORLD = Clinic
