"""Everything that developers and the CI run around the addon: set-up, tests, linters, the demo. Never imported by the addon."""
