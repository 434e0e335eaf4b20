"""Two workspaces in which people ask an agent for anything, and a runner which tells how policies do there."""
