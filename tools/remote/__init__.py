"""Remote signing services: one small interface, two families of adapters, and a registry for those of other addons."""

from . import csc, smartca
from .base import (
    CALL_SECONDS,
    CONFIRM_SECONDS,
    Item,
    NotKnown,
    NotSent,
    RemoteCertificate,
    RemoteError,
    RemoteService,
    ServiceRefused,
    Signed,
    Unanswered,
    Waiting,
)
from .client import HttpClient
from .layout import LayoutError, Prepared, digest_of, finish, prepare, short_code
from .registry import adapter, make, register

__all__ = [
    "CALL_SECONDS",
    "CONFIRM_SECONDS",
    "HttpClient",
    "Item",
    "LayoutError",
    "NotKnown",
    "NotSent",
    "Prepared",
    "RemoteCertificate",
    "RemoteError",
    "RemoteService",
    "ServiceRefused",
    "Signed",
    "Unanswered",
    "Waiting",
    "adapter",
    "csc",
    "digest_of",
    "finish",
    "make",
    "prepare",
    "register",
    "short_code",
    "smartca",
]
