"""The main job, shown: a support desk's refunds, worked off by a chain of agents."""
