"""The real agent, which can be killed."""

from __future__ import annotations

import os
import signal

from ..demo.agent_pc import AgentPC


class KillableAgent(AgentPC):
    """One computer whose power plug is within reach."""

    def kill(self) -> None:
        """``kill -9`` of the agent and its children."""
        if self._program is not None and self._program._process is not None:
            os.killpg(self._program._process.pid, signal.SIGKILL)
            self._program._process.wait()
            self._program = None
