"""What a window of the agent is given in this process: a pipe that keeps what it sent, and a clock that tests move."""

from __future__ import annotations

from ibhxh_agent.secret import Secret


class FakePipe:
    """The pipe of a window that lives in this process; ``secrets[n]`` came with ``sent[n]``, None when none did."""

    def __init__(self):
        self.sent = []
        self.secrets = []
        self.waiting = []

    def send(self, message, secret=None):
        self.sent.append(message)
        self.secrets.append(bytes(secret.buffer()) if secret is not None else None)

    def poll(self):
        return (self.waiting.pop(0), Secret(bytearray())) if self.waiting else None


class Now:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds
