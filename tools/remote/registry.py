"""Adapters by name, so that another addon can add one without touching this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .base import RemoteError, RemoteService

_Class = TypeVar("_Class", bound=type[RemoteService])
_adapters: dict[str, type[RemoteService]] = {}


def register(name: str) -> Callable[[_Class], _Class]:
    """Class decorator: make the adapter known as ``name``. A second class of the same name replaces the first."""

    def decorate(adapter: _Class) -> _Class:
        _adapters[name] = adapter
        return adapter

    return decorate


def adapter(name: str) -> type[RemoteService]:
    """The adapter of that name. Raises RemoteError when there is none."""
    if name not in _adapters:
        raise RemoteError(f"no adapter is called {name!r}")
    return _adapters[name]


def make(name: str, *arguments: Any, **settings: Any) -> RemoteService:
    """An adapter with its settings. Raises RemoteError for an unknown name or unfit settings."""
    chosen = adapter(name)
    try:
        return chosen(*arguments, **settings)
    except (TypeError, KeyError):
        # The settings may hold a secret: name them, never show them.
        raise RemoteError(f"adapter {name!r} does not take these settings: {', '.join(sorted(settings))}") from None
