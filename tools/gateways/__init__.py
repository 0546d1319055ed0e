"""Ways to reach an I-VAN organisation: one small interface, adapters, and a registry for those of other addons."""

from . import http, manual, sandbox
from .base import (
    Fault,
    FaultKind,
    Gateway,
    GatewayError,
    GatewayHealth,
    Holder,
    Misconfigured,
    Progress,
    Reason,
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
    "Fault",
    "FaultKind",
    "Gateway",
    "GatewayError",
    "GatewayHealth",
    "Holder",
    "Misconfigured",
    "Progress",
    "Reason",
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
