"""``python -m ibhxh_agent`` is the command ``ibhxh-agent``."""

import sys

from ibhxh_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
