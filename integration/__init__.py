"""Everything of a registration as real programs, for tests, demo, benchmarks and pictures: see `stack.Stack`."""
