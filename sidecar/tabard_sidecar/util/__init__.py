"""Tools without knowledge of the domain."""
