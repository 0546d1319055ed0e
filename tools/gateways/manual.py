"""No connection at all: a person downloads the signed file, lodges it on the portal and types in what comes back."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from .base import Gateway, GatewayHealth, Progress, Receipt, SignedDossier, Unsupported
from .registry import register


@register("manual")
class ManualGateway(Gateway):
    """Answers every call with Unsupported: the steps are a person's."""

    can_submit: ClassVar[bool] = False
    can_resend: ClassVar[bool] = False

    def submit(self, dossier: SignedDossier, client_reference: str) -> Receipt:
        """Always raises Unsupported."""
        _by_hand()

    def progress(self, client_reference: str) -> Progress | None:
        """Always raises Unsupported: None would mean that the dossier is unknown and may be sent again."""
        _by_hand()

    def resend_code(self, client_reference: str) -> None:
        """Always raises Unsupported."""
        _by_hand()

    def check(self) -> GatewayHealth:
        """There is nothing to reach, so it is always well."""
        return GatewayHealth(ok=True, clock_skew_seconds=None, message="manual")


def _by_hand() -> NoReturn:
    raise Unsupported("this provider has no connection: lodge the signed file on its portal")
