"""`./run package`: the wheels of the addon and of the agent, tried in an empty environment."""
