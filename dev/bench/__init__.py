"""`./run bench`: what the parts cost, as ratios to what they cannot do without; written to docs/benchmarks.md."""
