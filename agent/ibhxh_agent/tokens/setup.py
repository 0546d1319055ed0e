"""Builds the token manager from settings and command line."""

from __future__ import annotations

from collections.abc import Sequence

from ibhxh_agent.config import Settings
from ibhxh_agent.tokens.discovery import Found, Places, find_libraries
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


def candidates(settings: Settings, only: Sequence[str] = ()) -> list[Found]:
    """The libraries named with ``--library``, or else all that are found on this computer."""
    return find_libraries(only, Places(nowhere=True)) if only else find_libraries(settings.libraries)


def token_manager(settings: Settings, only: Sequence[str] = ()) -> TokenManager:
    """A manager for the usable ones among :func:`candidates`.

    What is named with ``--library`` is not looked at beforehand: the child process that loads it finds out.
    """
    paths = list(only) or [str(found.path) for found in candidates(settings) if found.usable]
    return TokenManager(LibraryProcess(path) for path in paths)
