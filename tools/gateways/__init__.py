"""Ways to reach an I-VAN organisation: one small interface, adapters, and a registry for those of other addons."""

from . import http, manual, sandbox
from .base import (
    Gateway,
    GatewayError,
    GatewayHealth,
    Holder,
    Misconfigured,
    Progress,
    Receipt,
    Refused,
    SignedDossier,
    Step,
    UnknownOutcome,
    Unreachable,
    Unsupported,
)
from .registry import make, names, register

__all__ = [
    "Gateway",
    "GatewayError",
    "GatewayHealth",
    "Holder",
    "Misconfigured",
    "Progress",
    "Receipt",
    "Refused",
    "SignedDossier",
    "Step",
    "UnknownOutcome",
    "Unreachable",
    "Unsupported",
    "http",
    "make",
    "manual",
    "names",
    "register",
    "sandbox",
]
