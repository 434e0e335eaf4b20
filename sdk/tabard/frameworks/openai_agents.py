"""Guarded tools under the OpenAI Agents SDK.

::

    agent = Agent(name="payer", tools=[function_tool(send_payment)])
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import agents
from agents.function_schema import function_schema
from agents.tool import default_tool_error_function
from agents.tool_context import ToolContext

from tabard import _approvals, _context, aio
from tabard._model import ToolCall
from tabard._tool import MARK, Tool
from tabard.errors import TabardError

if TYPE_CHECKING:
    from tabard._task import TaskBase

_MAX_PREPARED = 1000
_MAX_ALIKE = 16
_Invoke = Callable[[ToolContext[Any], str], Awaitable[Any]]


def function_tool(function: Callable[..., Any], **options: Any) -> agents.FunctionTool:  # noqa: ANN401  # Agents' own
    """Return a guarded function as a tool. If a person has to approve a call, the run is interrupted.

    ``result.interruptions`` then has the call. After the person has decided, approve it in the run's state and resume:
    the call is made if the sidecar says that it was approved. A call that isn't allowed tells the model, unless
    ``on_denied`` of the guard or connection says otherwise.

    Args:
        function: a function that :func:`tabard.guard` wraps.
        options: those of ``agents.function_tool`` but for ``needs_approval``.

    Raises:
        TypeError: the function isn't guarded.
    """
    guarded = getattr(function, MARK, None)
    if not isinstance(guarded, Tool):
        raise TypeError(f"{function!r} isn't guarded; write @tabard.guard(...) above it")
    options.setdefault("failure_error_function", _tell_model)
    made: agents.FunctionTool = agents.function_tool(function, **options)
    asked = _Asked(function, guarded, made.on_invoke_tool)
    made.on_invoke_tool = asked.invoke
    made.needs_approval = asked.needs_approval
    return made


def _tell_model(context: Any, error: Exception) -> Any:  # noqa: ANN401  # Agents' signature
    return (
        error.for_model() if isinstance(error, TabardError) else default_tool_error_function(context, error)
    )


class _Asked:
    """Asks about a call before the framework makes it, and again when it does, with one request id: it counts once."""

    def __init__(self, function: Callable[..., Any], tool: Tool, invoke: _Invoke) -> None:
        self._invoke = invoke
        self._tool = tool
        self._schema = function_schema(function, strict_json_schema=False)
        self._ids = _RequestIds()

    async def needs_approval(self, context: Any, params: dict[str, Any], call_id: str) -> bool:  # noqa: ANN401
        """Tell whether a person has to approve the call."""
        try:
            task = self._tool.current().of_kind(aio.Task)
            args, kwargs = self._schema.to_call_args(self._schema.params_pydantic_model(**params))
            first = (context,) if self._schema.takes_context else ()
            arguments = self._tool.binding.bind((*first, *args), kwargs).arguments
            call = ToolCall(
                self._tool.name,
                arguments,
                server=self._tool.server,
                scopes=self._tool.scopes,
                request_id=self._ids.make(task, call_id, params),
            )
            return _approvals.waits(await task.decide(call))
        except (TabardError, ValueError, agents.AgentsException):
            return False  # the call itself says what is wrong

    async def invoke(self, context: ToolContext[Any], arguments: str) -> Any:  # noqa: ANN401  # Agents' signature
        """Make the call.

        Raises:
            InvalidRequest: no task is current: a mistake of the program, which the model can't correct.
        """
        prepared = self._ids.take(self._tool.current(), context.tool_call_id, _parsed(arguments))
        with _context.use_request_id(prepared or uuid.uuid4().hex):
            return await self._invoke(context, arguments)


class _RequestIds:
    """Request ids of calls that were asked about and not made, by task, the model's call id and arguments.

    A model's server may repeat call ids, in other runs and for other people. So an id is for one call, the newest for a call
    that is alike.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[str, list[str]] = OrderedDict()

    def make(self, task: TaskBase, call_id: str, arguments: object) -> str:
        """Return a new one."""
        alike = self._made.setdefault(_key(task, call_id, arguments), [])
        alike.append(uuid.uuid4().hex)
        del alike[:-_MAX_ALIKE]
        if len(self._made) > _MAX_PREPARED:
            self._made.popitem(last=False)
        return alike[-1]

    def take(self, task: TaskBase, call_id: str, arguments: object) -> str:
        """Return the newest and forget it; empty if there is none."""
        key = _key(task, call_id, arguments)
        alike = self._made.get(key)
        if not alike:
            return ""
        found = alike.pop()
        if not alike:
            del self._made[key]
        return found


def _key(task: TaskBase, call_id: str, arguments: object) -> str:
    text = json.dumps([task.grant, call_id, arguments], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _parsed(arguments: str) -> object:
    """Read arguments as the framework does before it asks."""
    try:
        return json.loads(arguments) if arguments else {}
    except ValueError:
        return None
