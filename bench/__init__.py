"""Benchmarks: ratios measured in one run, written to bench/results."""
