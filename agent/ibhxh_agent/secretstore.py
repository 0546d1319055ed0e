"""Where the key for the server is kept: the system's keyring where there is one, else a file of mode 0600."""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

from ibhxh_agent.config import APP, Folder, write_private
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)


class SecretStore:
    """Keeps the server's keys, by the device's UUID.

    The keyring (Windows Credential Manager, macOS Keychain, Secret Service) is used when the optional package
    ``keyring`` is installed and finds a real backend.
    """

    def __init__(self, folder: Folder) -> None:
        self._file = folder.path / "secrets.json"
        self._keyring = _usable_keyring()

    @property
    def place(self) -> str:
        """Where secrets are kept, for ``doctor``."""
        if self._keyring is None:
            return str(self._file)
        return f"keyring ({type(self._keyring.get_keyring()).__name__})"

    def get(self, agent: str) -> str | None:
        """The key, or ``None``."""
        if self._keyring is not None:
            value = self._keyring.get_password(APP, agent)
            if value is not None:
                return str(value)
        return self._read().get(agent)

    def set(self, agent: str, key: str) -> None:
        """Store or replace."""
        if self._keyring is not None:
            self._keyring.set_password(APP, agent, key)
        else:
            write_private(self._file, json.dumps({**self._read(), agent: key}))

    def delete(self, agent: str) -> None:
        """Forget; no error when there is none."""
        if self._keyring is not None and self._keyring.get_password(APP, agent) is not None:
            self._keyring.delete_password(APP, agent)
        known = self._read()
        if known.pop(agent, None) is not None:
            write_private(self._file, json.dumps(known))

    def _read(self) -> dict[str, str]:
        try:
            raw = loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in raw.items()} if isinstance(raw, dict) else {}


def _usable_keyring() -> Any:
    try:
        keyring = importlib.import_module("keyring")
        backend = keyring.get_keyring()
    except Exception as error:  # no package, or a backend that fails to start
        log.debug("no keyring: %s", type(error).__name__)
        return None
    # Priority below 1 marks the backends that fail or keep nothing.
    return keyring if backend.priority >= 1 else None
