"""Remembers what agents used, by agent and purpose: tools, arguments, depth, children, time and budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tabard_sidecar.policy.values import Json
from tabard_sidecar.suggest.sketches import (
    Beginnings,
    Evidence,
    Members,
    Peak,
    Range,
    Room,
    TooMuchError,
    When,
)
from tabard_sidecar.suggest.thresholds import MOST_MEMBERS

ASSERTED: Final = None
"""Stands for the purpose of all tasks whose purpose the agent itself asserts."""

MOST_CHARACTERS: Final = 256
"""Longest text that is remembered as it is."""

_MOST_AGENTS = 1000
_MOST_PURPOSES = 64
_MOST_TOOLS = 256
_MOST_PATHS = 64
_MOST_VALUES = 5000
_MOST_STEPS = 8
_MOST_STEP = 40
_MOST_BUDGETS = 32
_MOST_DOMAINS = 64
_MOST_SAMPLE_BYTES = 16_384
_SAMPLE_PLACES = 100
_LARGEST_NUMBER = 1e15
_STRANGE = ("..", "%", "\\")

Scalar = str | bool | None


class Sample(NamedTuple):
    """An allowed call of a log, as policy saw it. The smallest one is taken, so that the order doesn't matter."""

    size: int
    decision_id: str
    input_json: bytes


class Call(NamedTuple):
    """What a call used. ``hidden`` names arguments whose values aren't known; ``None`` instead of arguments hides all of them."""

    tool: str
    arguments: Mapping[str, Json] | None
    hidden: tuple[str, ...]
    sample: Sample | None


def rememberable(text: object) -> bool:
    """Tell whether something is a text that can be a member of a set: short, and writable as UTF-8."""
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class ArgumentUse:
    """The values at one path of a tool's arguments.

    Attributes:
        types: as Rego calls them.
        members: texts, truth values and null.
        numbers: smallest and largest.
        beginnings: what all texts begin with.
        domains: what stands behind the ``@`` of each text; no set if one has none.
        strange: whether a text has characters by which a path could lead elsewhere.
    """

    def __init__(self, room: Room) -> None:
        self.evidence = Evidence(room)
        self.types: Members[str] = Members(room, 8)
        self.members: Members[Scalar] = Members(room, MOST_MEMBERS)
        self.domains: Members[str] = Members(room, _MOST_DOMAINS)
        self.numbers = Range()
        self.numbers_bounded = True
        self.beginnings = Beginnings(room)
        self.strange = False

    def note(self, value: Json, when: When) -> None:
        """Note one value."""
        self.evidence.note(when)
        kind = type_name(value)
        self.types.add(kind, when)
        if kind == "string":
            self._note_text(value, when)
        elif kind == "number":
            if abs(value) <= _LARGEST_NUMBER:
                self.numbers.note(value, when.day)
            else:
                self.numbers_bounded = False
        elif kind in {"boolean", "null"}:
            self.members.add(value, when)

    def _note_text(self, text: str, when: When) -> None:
        if rememberable(text):
            self.members.add(text, when)
        else:
            self.members.give_up()
        self.strange = self.strange or any(mark in text for mark in _STRANGE)
        self.beginnings.note(text[:MOST_CHARACTERS], when.day)
        domain = text.split("@")[1] if text.count("@") == 1 else ""
        if domain and rememberable(domain):
            self.domains.add(domain, when)
        else:
            self.domains.give_up()


class ToolUse:
    """How a tool was used.

    Attributes:
        paths: of arguments that were given; no set if there are too many, or some aren't known.
        arguments: by path.
        hidden: names of arguments whose values a mask hid.
        sample: a call.
    """

    def __init__(self, room: Room) -> None:
        self.evidence = Evidence(room)
        self.paths: Members[str] = Members(room, _MOST_PATHS)
        self.arguments: dict[str, ArgumentUse] = {}
        self.hidden: set[str] = set()
        self.sample: Sample | None = None
        self._room = room

    def note(self, call: Call, when: When) -> None:
        """Note one call."""
        self.evidence.note(when)
        if call.arguments is None:
            self._give_up()
        else:
            for path, value in _walk(call.arguments):
                self._note(path, value, when)
        for name in call.hidden:
            self._hide(name)
        if call.sample is not None and call.sample.size <= _MOST_SAMPLE_BYTES:
            if self.sample is None:
                self._room.take(_SAMPLE_PLACES)
            self.sample = call.sample if self.sample is None else min(self.sample, call.sample)

    def known(self, path: str) -> bool:
        """Tell whether no mask hid the values at a path."""
        return path.split(".", 1)[0] not in self.hidden

    def _note(self, path: str | None, value: Json, when: When) -> None:
        if path is None or not rememberable(path):
            self._give_up()
            return
        self.paths.add(path, when)
        if not self.paths.bounded:
            self._give_up()
            return
        use = self.arguments.get(path)
        if use is None:
            use = self.arguments[path] = ArgumentUse(self._room)
        use.note(value, when)

    def _hide(self, name: str) -> None:
        if len(self.hidden) < _MOST_PATHS and rememberable(name):
            self.hidden.add(step_name(name).split(".", 1)[0])
        else:
            self._give_up()

    def _give_up(self) -> None:
        """Know nothing of the arguments from now on."""
        self.paths.give_up()
        self.arguments.clear()


class PurposeUse:
    """What an agent used for one purpose.

    Attributes:
        names: of tools.
        tools: by name.
        depth: number of hops and branches.
        children: to how many a holder handed a task on.
        seconds: age of a task.
        spent: from each budget, after a call; ``None`` if there are too many budgets.
        renewed: tools whose credentials were renewed.
        handed: evidence of handing on.
        receivers: workloads to which a task was handed.
    """

    def __init__(self, room: Room) -> None:
        self.evidence = Evidence(room)
        self.names: Members[str] = Members(room, _MOST_TOOLS)
        self.tools: dict[str, ToolUse] = {}
        self.depth = Peak()
        self.children = Peak()
        self.seconds = Peak()
        self.spent: dict[str, Peak] | None = {}
        self.renewed: Members[str] = Members(room, _MOST_TOOLS)
        self.handed = Evidence(room)
        self.receivers: Members[str] = Members(room, MOST_MEMBERS)
        self._room = room

    def tool(self, name: str, when: When) -> ToolUse | None:
        """Return the use of a tool; ``None`` if there are too many of them."""
        if rememberable(name):
            self.names.add(name, when)
        else:
            self.names.give_up()
        if not self.names.bounded:
            self.tools.clear()
            return None
        if name not in self.tools:
            self.tools[name] = ToolUse(self._room)
        return self.tools[name]

    def spend(self, name: str, amount: float, day: int) -> None:
        """Note what was spent of a budget."""
        if self.spent is None:
            return
        if name not in self.spent:
            if len(self.spent) >= _MOST_BUDGETS or not rememberable(name):
                self.spent = None
                return
            self._room.take()
            self.spent[name] = Peak()
        self.spent[name].note(amount, day)

    def hide_state(self) -> None:
        """Note that depth, children, age and budgets of a call aren't known."""
        self.spent = None
        for peak in (self.depth, self.children, self.seconds):
            peak.unknown = True


class AgentUse:
    """What one agent used.

    Attributes:
        signed: evidence of requests whose purpose an initiator signed.
        names: those purposes.
        purposes: what was used for them.
        asserted: what was used for all other ones; ``None`` if there are none.
        calls: evidence of tool calls for any purpose.
        tools: that were called for any purpose.
    """

    def __init__(self, room: Room) -> None:
        self.signed = Evidence(room)
        self.names: Members[str] = Members(room, _MOST_PURPOSES)
        self.purposes: dict[str, PurposeUse] = {}
        self.asserted: PurposeUse | None = None
        self.calls = Evidence(room)
        self.tools: Members[str] = Members(room, _MOST_TOOLS)
        self._room = room

    def call(self, tool: str, when: When) -> None:
        """Note that a tool was called."""
        self.calls.note(when)
        if rememberable(tool):
            self.tools.add(tool, when)
        else:
            self.tools.give_up()

    def purpose(self, name: str | None, when: When) -> PurposeUse | None:
        """Return the use for a purpose, or for all asserted ones; ``None`` if there are too many."""
        if name is ASSERTED:
            if self.asserted is None:
                self.asserted = PurposeUse(self._room)
            return self.asserted
        self.signed.note(when)
        if rememberable(name):
            self.names.add(name, when)
        else:
            self.names.give_up()
        if not self.names.bounded:
            self.purposes.clear()
            return None
        if name not in self.purposes:
            self.purposes[name] = PurposeUse(self._room)
        return self.purposes[name]


class Usage:
    """What all agents used."""

    def __init__(self, room: Room | None = None) -> None:
        self.agents: dict[str, AgentUse] = {}
        self._room = room or Room()

    def agent(self, name: str) -> AgentUse:
        """Return the use of an agent.

        Raises:
            TooMuchError: there are too many agents.
        """
        if name not in self.agents:
            if len(self.agents) >= _MOST_AGENTS:
                raise TooMuchError(f"the log has more than {_MOST_AGENTS} agents")
            self.agents[name] = AgentUse(self._room)
        return self.agents[name]


def type_name(value: Json) -> str:
    """Return the type of a JSON value as Rego calls it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def step_name(name: str) -> str:
    """Return how a path says the name of an argument or member, as the module's rule does."""
    return name if len(name) <= _MOST_STEP else "?"


def _walk(arguments: Mapping[str, Json]) -> Iterator[tuple[str | None, Any]]:
    """Yield every value below the arguments with its path, as the module's rule does; ``None`` if there are too many."""
    pending: list[tuple[tuple[str, ...], Json]] = [
        ((step_name(name),), item) for name, item in arguments.items()
    ]
    for count in range(_MOST_VALUES):
        if not pending:
            return
        steps, value = pending.pop()
        yield ".".join(steps) if len(steps) <= _MOST_STEPS else "?", value
        if isinstance(value, dict):
            inner = [((*steps, step_name(name)), item) for name, item in value.items()]
        else:
            inner = [((*steps, "[]"), item) for item in value] if isinstance(value, list) else []
        if count + len(pending) + len(inner) > _MOST_VALUES:
            break
        pending += inner
    yield None, None
