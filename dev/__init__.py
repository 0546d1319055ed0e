"""What developers and the CI run around the addon: set-up, tests, linters, the demo. The addon never imports it."""
