"""Where the key for the server is kept: the system's keyring where there is one, else a file of mode 0600.

On Windows, where a mode says nothing, the file holds the key encrypted for the signed-in person.
"""

from __future__ import annotations

import base64
import importlib
import json
import logging
from typing import Any

from ibhxh_agent import protect
from ibhxh_agent.config import APP, Folder, read_private, remove, write_private
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)

#: Before a key in the file that Windows encrypted.
_PROTECTED = "dpapi:"
#: More than a computer ever has: a keyring that forgets nothing must not be asked for ever.
_MANY_KEYS = 100


class SecretStore:
    """Keeps the server's keys, by the device's UUID.

    The keyring (Windows Credential Manager, macOS Keychain, Secret Service) is used when the optional package
    ``keyring`` is installed and finds a real backend.
    """

    def __init__(self, folder: Folder) -> None:
        self._file = folder.path / "secrets.json"
        self._keyring = usable_keyring()

    @property
    def place(self) -> str:
        """Where secrets are kept, for ``doctor``."""
        if self._keyring is None:
            return str(self._file)
        return f"keyring ({type(self._keyring.get_keyring()).__name__})"

    def get(self, agent: str) -> str | None:
        """The key, or ``None``: there is none, or it cannot be read now."""
        # The file first: a key is there only when the keyring refused it, and one that it still has is older then.
        try:
            kept = self._read().get(agent)
        except OSError as error:
            log.warning("the file with keys cannot be read: %s", error)
            return None
        if kept is not None:
            return _opened(kept)
        value = self._ask_keyring("get_password", agent)
        return None if value is None else str(value)

    def set(self, agent: str, key: str) -> None:
        """Store or replace.

        :raises OSError: neither the keyring nor the file takes it, or the other keys in the file cannot be read
        """
        if self._keyring is not None and self._ask_keyring("set_password", agent, key) is not _REFUSED:
            self._forget_in_file(agent)
            return
        write_private(self._file, json.dumps({**self._read(), agent: _closed(key)}))

    def delete(self, agent: str) -> None:
        """Forget; no error when there is none."""
        if self._ask_keyring("get_password", agent) is not None:
            self._ask_keyring("delete_password", agent)
        try:
            self._forget_in_file(agent)
        except OSError as error:
            log.warning("a key was not deleted: %s", error)

    def clear(self) -> None:
        """Forget every key, also those that no settings name any more."""
        remove(self._file)
        for _ in range(_MANY_KEYS):
            found = self._ask_keyring("get_credential", None)
            if found is None:
                return
            self._ask_keyring("delete_password", found.username)

    def _ask_keyring(self, method: str, *arguments: str | None) -> Any:
        """What the keyring answers; nothing, or that it refused, where it cannot.

        Each backend has errors of its own: Windows' vault fails without a logon session (1312), for one.
        """
        if self._keyring is None:
            return None
        try:
            return getattr(self._keyring, method)(APP, *arguments)
        except Exception as error:
            log.warning("keyring: %s failed: %s", method, type(error).__name__)
            return _REFUSED if method == "set_password" else None

    def _forget_in_file(self, agent: str) -> None:
        known = self._read()
        if known.pop(agent, None) is not None:
            write_private(self._file, json.dumps(known))

    def _read(self) -> dict[str, str]:
        """The keys in the file.

        :raises OSError: it cannot be read; what is written then would end the keys in it
        """
        try:
            raw = loads(read_private(self._file))
        except (FileNotFoundError, ValueError):
            return {}
        return {str(k): str(v) for k, v in raw.items()} if isinstance(raw, dict) else {}


_REFUSED = object()


def _closed(key: str) -> str:
    """As it is written into the file."""
    if not protect.available():
        return key
    return _PROTECTED + base64.b64encode(protect.protect(key.encode())).decode()


def _opened(kept: str) -> str | None:
    """The key that :func:`_closed` wrote; ``None`` when it is another person's, computer's or system's."""
    if not kept.startswith(_PROTECTED):
        return kept
    try:
        return protect.unprotect(base64.b64decode(kept.removeprefix(_PROTECTED))).decode()
    except (OSError, ValueError) as error:
        log.warning("the kept key cannot be decrypted: %s", type(error).__name__)
        return None


def usable_keyring() -> Any:
    """The package ``keyring`` where it has a place of its own for secrets, else ``None``."""
    try:
        keyring = importlib.import_module("keyring")
        backend = keyring.get_keyring()
    except Exception as error:  # no package, or a backend that fails to start
        log.debug("no keyring: %s", type(error).__name__)
        return None
    # The key is of this computer. Windows' vault would take it along to the person's others.
    for one in (backend, *getattr(backend, "backends", ())):
        if hasattr(one, "persist"):
            one.persist = "local machine"
    # Priority below 1 marks the backends that fail or keep nothing.
    return keyring if backend.priority >= 1 else None
