"""Errors of the agent, each with a code that programs read and a sentence that people read."""

from __future__ import annotations

from ibhxh_agent.untrusted import harmless

#: The answers that protocol v1 knows for a request that could not be signed.
FAILURE_CODES = frozenset(
    {
        "pin_cancelled",
        "pin_incorrect",
        "pin_locked",
        "token_removed",
        "certificate_missing",
        "driver_error",
        "refused",
        "unsupported",
    }
)


class AgentError(Exception):
    """Anything the agent tells its user about; ``str()`` is a sentence for people.

    :param code: stable short name, e.g. ``invalid_key``
    :param message: sentence that says what happened and what to do; a server's own words are made harmless
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = harmless(code)
        self.message = harmless(message, 2000)
        super().__init__(self.message)


class SigningError(AgentError):
    """One document could not be signed; ``code`` is one of :data:`FAILURE_CODES`.

    :param login_used: a login reached the token and failed, so a PIN try may be gone
    :param detail: technical word for the log (a CKR name), never a secret
    """

    def __init__(self, code: str, message: str, *, login_used: bool = False, detail: str = "") -> None:
        super().__init__(code, message)
        self.login_used = login_used
        self.detail = detail


class FinalTryWarning(SigningError):
    """The token has one PIN try left and the person was not told: nothing was tried, ask again with the warning."""
