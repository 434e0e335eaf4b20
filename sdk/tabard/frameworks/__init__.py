"""Guarded tools under agent frameworks: one module for each, which imports the framework.

* :mod:`tabard.frameworks.langgraph`: LangChain and LangGraph; an approval interrupts the graph.
* :mod:`tabard.frameworks.openai_agents`: the OpenAI Agents SDK; an approval interrupts the run.
* :mod:`tabard.frameworks.mcp`: servers of the Model Context Protocol; an approval asks the client's user.

Tabard doesn't install the frameworks.
"""
