"""Entry point of the frozen program."""

import sys

from ibhxh_agent.cli import main

sys.exit(main())
