"""Authorization for the tool calls of AI agents."""
