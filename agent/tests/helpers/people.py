"""A person at the token, and the parts around a batch, for tests in one process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ibhxh_agent.outbox import Delivery
from ibhxh_agent.prompt.base import Answer, Decision, Question
from ibhxh_agent.secret import Secret


@dataclass
class Person:
    """Answers questions; remembers what was asked."""

    pins: list[str] = field(default_factory=list)
    decision: Decision = Decision.SIGN
    stop_after: int | None = None
    questions: list[Question] = field(default_factory=list)
    progress_seen: list[tuple[int, int]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    #: decisions about the first questions, one for each; then :attr:`decision`
    decisions: list[Decision] = field(default_factory=list)
    #: the agent ends
    leaves: bool = False
    attended = True

    def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        decision = self.decisions.pop(0) if self.decisions else self.decision
        if decision is not Decision.SIGN or question.pin_pad:
            return Answer(decision)
        return Answer(decision, Secret(bytearray(self.pins.pop(0).encode())))

    def progress(self, done: int, total: int) -> bool:
        self.progress_seen.append((done, total))
        return self.stop_after is None or done < self.stop_after

    def ending(self) -> bool:
        return self.leaves

    def done(self, message: str) -> None:
        self.results.append(message)

    def login_failed(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing to close."""


class Box:
    """An outbox that only collects."""

    def __init__(self) -> None:
        self.deliveries: dict[str, Delivery] = {}
        #: Those that may wait for the next.
        self.patient: list[str] = []

    def put(self, delivery: Delivery, *, more: bool = False) -> None:
        assert delivery.request not in self.deliveries, "answered twice"
        self.patient += [delivery.request] * more
        self.deliveries[delivery.request] = delivery

    def holds(self, request: str) -> bool:
        return request in self.deliveries

    def kinds(self) -> list[str]:
        return [delivery.kind for delivery in self.deliveries.values()]


class LeaseBook:
    """Leases that a test can take away."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.taken: set[str] = set()

    def hold(self, requests: list[str]) -> None:
        self.held.update(requests)

    def drop(self, request: str) -> None:
        self.held.discard(request)

    def lost(self, request: str) -> bool:
        return request in self.taken


def claimed(documents: list[bytes], fingerprint: str, **extra: Any) -> list[dict[str, Any]]:
    """What the server's claim answers."""
    import base64
    import hashlib

    return [
        {
            "id": number,
            "document": base64.b64encode(data).decode(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "fingerprint": fingerprint,
            "requested_by": "Trần Văn Kế",
            **extra,
        }
        for number, data in enumerate(documents, start=1)
    ]
