"""Reads policy sources, checks them and compiles them."""
