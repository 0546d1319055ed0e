"""Builds the token manager from settings and command line."""

from __future__ import annotations

from collections.abc import Sequence

from ibhxh_agent.config import Settings
from ibhxh_agent.tokens.discovery import find_libraries
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


def token_manager(settings: Settings, only: Sequence[str] = ()) -> TokenManager:
    """A manager for the libraries named with ``--library``, or else for all that are found on this computer."""
    paths = list(only) or [str(found.path) for found in find_libraries(settings.libraries) if found.usable]
    return TokenManager(LibraryProcess(path) for path in paths)
