"""Gateways by name, so that another addon can add one without touching this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .base import Gateway, Misconfigured, Reason

_Class = TypeVar("_Class", bound=type[Gateway])
_gateways: dict[str, type[Gateway]] = {}


def register(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: make the gateway known as ``name``. A second class of the same name replaces the first."""

    def decorate(gateway: _Class) -> _Class:
        _gateways[name] = gateway
        return gateway

    return decorate


def names() -> tuple[str, ...]:
    """The names that ``make`` knows."""
    return tuple(sorted(_gateways))


def make(name: str, **settings: Any) -> Gateway:
    """A gateway of that name with its settings. Raises Misconfigured for an unknown name or unfit settings."""
    gateway = _gateways.get(name)
    if gateway is None:
        raise Misconfigured(f"no gateway is called {name!r}; known: {', '.join(names())}", reason=Reason.SETTINGS)
    try:
        return gateway(**settings)
    except TypeError:
        # The settings may hold a secret: name them, never show them.
        raise Misconfigured(
            f"gateway {name!r} does not take these settings: {', '.join(sorted(settings))}", reason=Reason.SETTINGS
        ) from None
