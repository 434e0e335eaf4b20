"""Demonstration: a chain of agents processes a support desk's refunds."""
