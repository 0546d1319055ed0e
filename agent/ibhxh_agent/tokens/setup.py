"""Builds the token manager from settings and command line."""

from __future__ import annotations

from collections.abc import Sequence

from ibhxh_agent.config import Folder, Settings
from ibhxh_agent.tokens.discovery import Found, Places, find_libraries
from ibhxh_agent.tokens.library_list import current
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


def candidates(settings: Settings, only: Sequence[str], folder: Folder) -> list[Found]:
    """The libraries named with ``--library``, or else all that are found on this computer by the newest list."""
    if only:
        return find_libraries(only, Places(nowhere=True))
    return find_libraries(settings.libraries, listed=current(folder))


def token_manager(settings: Settings, only: Sequence[str], folder: Folder) -> TokenManager:
    """A manager for the usable ones among :func:`candidates`.

    What is named with ``--library`` is not looked at beforehand: the child process that loads it finds out.
    """
    paths = list(only) or [str(found.path) for found in candidates(settings, only, folder) if found.usable]
    return TokenManager(LibraryProcess(path) for path in paths)
