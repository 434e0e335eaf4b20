"""Guarded tools under LangChain and LangGraph.

::

    client = tabard.connect(on_denied=tabard.TabardError.for_model, on_approval=interrupt)
"""

from __future__ import annotations

from langgraph import types

from tabard.errors import ApprovalRequired


def interrupt(needed: ApprovalRequired) -> None:
    """Interrupt the graph, as ``on_approval`` of a connection or guard, until it is resumed.

    The value of the interrupt is :meth:`tabard.ApprovalRequired.summary`. The graph needs a checkpointer. Resume it with any
    value after the person has decided; only what the sidecar says about the approval counts, not that value.
    """
    types.interrupt(needed.summary())
