"""Says what the wholesaler's agents do, day by day: jobs with their calls, and how they change over two months.

Suppliers, articles and addresses get new members. A tool comes into use in the third week. A colleague joins and works
otherwise than the others. Invoices are paid in runs, more at the end of a month. Some days are holidays. One job is done once a
year, in the second month only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.company.values import (
    DAYS,
    FIRST_DAYS,
    Amount,
    Below,
    Between,
    Choice,
    Growing,
    Mail,
    Number,
    Source,
    Text,
    Week,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
AGENTS = ("desk", "payables", "closing", "buyer", "stock", "reporter")
_HOLIDAYS = {0, 5, 46}  # days from the first one
_QUIET_WEEK = range(46, 53)
_NEW_TOOL_DAY = 15
_NEW_COLLEAGUE_DAY = 20
_ANNUAL_DAY = 50
_NEWSLETTER_DAYS = {9, 40}

SUPPLIERS = Growing("S-{:04d}".format, 40, 4)
ARTICLES = Growing("A-{:05d}".format, 60, 5)
CATALOGUES = Growing("https://catalogue{:02d}.example/".format, 6, 12)
CUSTOMER_DOMAINS = Growing("customer{:03d}.example".format, 150, 0.5)
SUPPLIER_DOMAINS = Growing("supplier{:03d}.example".format, 40, 4)
TEAM = Mail(Choice(("wholesale.example",)), people=6)
ACCOUNTS = Choice(tuple(f"{number}" for number in range(1200, 1212)))


@dataclass(frozen=True)
class Page:
    """A page of one of the suppliers' catalogues."""

    hosts: Source

    def draw(self, rng: random.Random, day: int) -> str:
        """Return its address."""
        return f"{self.hosts.draw(rng, day)}item/{rng.randrange(10**5)}"

    def fits(self, value: str) -> bool:
        """Tell whether the host is known in the end."""
        return self.hosts.fits("/".join(str(value).split("/")[:3]) + "/")


@dataclass(frozen=True)
class Use:
    """A tool as a job uses it.

    Attributes:
        tool: name.
        arguments: sources by name.
        share: of the tasks, 0 to 1.
        from_day: first day on which it is used.
        only_new: whether only the new colleague's tasks use it.
        most: largest number of uses in a task.
    """

    tool: str
    arguments: Mapping[str, Source] = field(default_factory=dict)
    share: float = 1.0
    from_day: int = 0
    only_new: bool = False
    most: int = 1


@dataclass(frozen=True)
class Job:
    """Tasks of one kind.

    Attributes:
        agent: name.
        purpose: signed purpose.
        a_day: mean number of tasks of a working day.
        uses: tools, in their order.
        hands_to: agent to which a part may be handed on; empty for none.
        handed: what it does.
        hands_share: of the tasks.
        days: the only days of the job; empty for every working day.
    """

    agent: str
    purpose: str
    a_day: float
    uses: tuple[Use, ...]
    hands_to: str = ""
    handed: tuple[Use, ...] = ()
    hands_share: float = 0.0
    days: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Step:
    """One call of a task: who makes it, when (seconds from the task's start), and whether its credential is renewed later."""

    agent: str
    tool: str
    arguments: Mapping[str, object]
    after: float
    renews: bool = False


@dataclass(frozen=True)
class Task:
    """A task: who starts it for whom, when (seconds since the epoch), and what is called."""

    agent: str
    purpose: str
    person: str
    start: float
    steps: tuple[Step, ...]


def _month_ends() -> frozenset[int]:
    days = [day for day in range(DAYS) if _works(day)]
    first = [day for day in days if day < FIRST_DAYS][-2:]
    return frozenset([*first, *days[-2:]])


def _works(day: int) -> bool:
    return (START + timedelta(days=day)).weekday() < 5 and day not in _HOLIDAYS


ORDER, TICKET = Number("O"), Number("T")
MONTH_ENDS = _month_ends()
JOBS = (
    Job(
        "desk",
        "answer_customers",
        14,
        (
            Use("tickets.read", {"ticket": TICKET}),
            Use("customers.read", {"customer": Number("C")}),
            Use("orders.read", {"order": ORDER}, 0.7),
            Use("mail.search", {"query": Text()}, 0.3),
            Use("web.get", {"url": Below(("https://tracking.example/parcel/",), "")}, 0.2, _NEW_TOOL_DAY),
            Use(
                "orders.cancel",
                {"order": ORDER, "reason": Choice(("customer", "stock"))},
                0.15,
                only_new=True,
            ),
            Use("tickets.reply", {"ticket": TICKET, "text": Text()}),
            Use(
                "tickets.close",
                {"ticket": TICKET, "reason": Choice(("solved", "duplicate", "no_answer"))},
                0.6,
            ),
        ),
    ),
    Job(
        "desk",
        "refunds",
        5,
        (
            Use("orders.read", {"order": ORDER}),
            Use(
                "orders.refund",
                {
                    "order": ORDER,
                    "amount_cents": Amount(3000, 4, 20_000),
                    "reason": Choice(("late", "damaged", "wrong", "goodwill")),
                },
            ),
            Use("mail.send", {"to": Mail(CUSTOMER_DOMAINS), "subject": Text(), "body": Text()}),
        ),
    ),
    Job(
        "desk",
        "newsletters",
        1,
        (
            Use("customers.read", {"customer": Number("C")}),
            Use("mail.send", {"to": Mail(CUSTOMER_DOMAINS), "subject": Text(), "body": Text()}, most=40),
        ),
        days=frozenset(_NEWSLETTER_DAYS),
    ),
    Job(
        "payables",
        "pay_invoices",
        9,
        (
            Use("invoices.list", {"status": Choice(("open",))}),
            Use("invoices.read", {"invoice": Number("I")}),
            Use("suppliers.read", {"supplier": SUPPLIERS}),
            Use(
                "invoices.pay",
                {
                    "invoice": Number("I"),
                    "supplier": SUPPLIERS,
                    "amount_cents": Amount(80_000, 5, 900_000),
                    "currency": Choice(("EUR", "GBP", "SEK")),
                    "urgent": Choice((False,)),
                },
            ),
            Use("files.write", {"path": Below(("/finance/invoices/",)), "text": Text()}),
        ),
    ),
    Job(
        "closing",
        "month_end",
        6,
        (
            Use("ledger.read", {"account": ACCOUNTS}),
            Use("ledger.post", {"account": ACCOUNTS, "amount_cents": Amount(400_000, 6, 4_000_000)}),
            Use("payroll.run", {"month": Choice(("2026-01", "2026-02"))}, 0.2),
            Use("reports.run", {"name": Choice(("balance", "profit", "vat")), "period": Week()}),
        ),
        "reporter",
        (Use("files.write", {"path": Below(("/reports/month/",)), "text": Text()}),),
        0.5,
        days=MONTH_ENDS,
    ),
    Job(
        "buyer",
        "purchasing",
        6,
        (
            Use("inventory.read", {"article": ARTICLES}, most=3),
            Use("suppliers.read", {"supplier": SUPPLIERS}),
            Use("web.get", {"url": Page(CATALOGUES)}, 0.5),
            Use("orders.create", {"supplier": SUPPLIERS, "article": ARTICLES, "quantity": Between(10, 400)}),
            Use("mail.send", {"to": Mail(SUPPLIER_DOMAINS), "subject": Text(), "body": Text()}, 0.5),
        ),
    ),
    Job(
        "stock",
        "stock_care",
        5,
        (
            Use("inventory.read", {"article": ARTICLES}),
            Use("inventory.adjust", {"article": ARTICLES, "difference": Between(-20, 20)}, 0.5),
        ),
    ),
    Job(
        "stock",
        "annual_count",
        8,
        (
            Use("inventory.read", {"article": ARTICLES}),
            Use("inventory.adjust", {"article": ARTICLES, "difference": Between(-500, 500)}),
            Use("mail.send", {"to": TEAM, "subject": Text(), "body": Text()}),
        ),
        days=frozenset({_ANNUAL_DAY}),
    ),
    Job(
        "reporter",
        "reporting",
        4,
        (
            Use(
                "reports.run",
                {"name": Choice(("sales", "stock", "late", "returns", "margin")), "period": Week()},
            ),
            Use(
                "db.query",
                {"table": Choice(("orders", "articles", "tickets", "refunds")), "limit": Choice((100, 1000))},
                most=3,
            ),
            Use("files.write", {"path": Below(("/reports/weekly/",)), "text": Text()}),
            Use("mail.send", {"to": TEAM, "subject": Text(), "body": Text()}),
        ),
        "stock",
        (Use("inventory.read", {"article": ARTICLES}),),
        0.3,
    ),
)


def habitual(agent: str, purpose: str, tool: str, arguments: Mapping[str, object]) -> bool:
    """Tell whether an agent would make a call like this one for a purpose, in either month."""
    for use in _uses(agent, purpose):
        if use.tool == tool and use.arguments.keys() == arguments.keys():
            return all(source.fits(arguments[name]) for name, source in use.arguments.items())
    return False


def pairs() -> list[tuple[str, str]]:
    """Return each agent with each purpose for which it works in the second month."""
    found = {(job.agent, job.purpose) for job in JOBS} | {
        (job.hands_to, job.purpose) for job in JOBS if job.hands_to
    }
    return sorted(found)


def _uses(agent: str, purpose: str) -> Iterator[Use]:
    for job in JOBS:
        if job.purpose == purpose:
            yield from job.uses if job.agent == agent else ()
            yield from job.handed if job.hands_to == agent else ()


def tasks(rng: random.Random) -> Iterator[Task]:
    """Yield the tasks of both months by their start."""
    for day in range(DAYS):
        found = [task for job in JOBS for task in _of_day(job, rng, day)]
        yield from sorted(found, key=lambda task: task.start)


def _of_day(job: Job, rng: random.Random, day: int) -> Iterator[Task]:
    if day not in job.days if job.days else not _works(day):
        return
    rate = job.a_day * (0.4 if day in _QUIET_WEEK and not job.days else 1.0)
    if job.purpose == "pay_invoices":
        weekday = (START + timedelta(days=day)).weekday()
        rate *= 2.0 if day in MONTH_ENDS else 1.6 if weekday in {1, 3} else 0.6
    for _ in range(max(1, round(rng.gauss(rate, rate**0.5)))):
        start = START + timedelta(days=day, hours=8, seconds=rng.randrange(9 * 3600))
        people = 9 if day >= _NEW_COLLEAGUE_DAY else 8
        person = rng.randrange(people)
        yield Task(
            job.agent,
            job.purpose,
            f"u{person + 1}",
            start.timestamp(),
            _steps(job, rng, day, newest=person == 8),
        )


def _steps(job: Job, rng: random.Random, day: int, *, newest: bool) -> tuple[Step, ...]:
    found, after = [], 0.0
    parts = [(job.agent, job.uses)]
    if job.hands_to and rng.random() < job.hands_share:
        parts.append((job.hands_to, job.handed))
    for agent, uses in parts:
        for use in uses:
            if day < use.from_day or (use.only_new and not newest) or rng.random() >= use.share:
                continue
            for _ in range(rng.randint(1, use.most)):
                after += rng.expovariate(1 / 20)
                arguments = {name: source.draw(rng, day) for name, source in use.arguments.items()}
                renews = use.tool == "db.query" and rng.random() < 0.2
                found.append(Step(agent, use.tool, arguments, round(after, 3), renews))
    return tuple(found)
