"""A zone of real sidecars with everything around it, shared by the demo, the tests and the benchmarks."""
