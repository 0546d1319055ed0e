"""The agent's settings: one JSON file in the settings folder, and which folders it uses."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)

APP = "ibhxh-agent"
#: Seconds for which a file that another program has open is waited for.
REPLACE_SECONDS = 2.0
#: Windows: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION (winerror.h); ``None`` from `open`, which
#: goes through the C library.
_IN_USE = frozenset({5, 32, 33, None})
#: Of the links that Odoo opens this program with.
SCHEME = "ibhxh-agent"

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Pairing:
    """The Odoo server that this computer is paired with; the key itself is in the secret store.

    :param agent: the device's UUID that the server gave
    :param expires_at: ISO 8601 UTC, when the key ends
    """

    server: str
    database: str
    agent: str
    name: str
    user: str = ""
    expires_at: str = ""


@dataclass
class Settings:
    """What is kept between runs. No secret is in here.

    :param libraries: PKCS#11 libraries or folders that the user added
    :param language: ``vi`` or ``en``, of the windows
    """

    pairing: Pairing | None = None
    libraries: list[str] = field(default_factory=list)
    language: str = "vi"


class Folder:
    """The settings folder, ``--config-dir`` or the system's usual place; private to the user (0700)."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(platformdirs.user_config_dir(APP, appauthor=False))

    @property
    def settings_file(self) -> Path:
        """JSON, see :class:`Settings`."""
        return self.path / "settings.json"

    @property
    def log_file(self) -> Path:
        """The rotating log."""
        return self.path / "agent.log"

    @property
    def program_log_file(self) -> Path:
        """The log of the program that shows icon and windows; two processes cannot rotate one file."""
        return self.path / "program.log"

    def load(self) -> Settings:
        """The settings, or fresh ones where there are none.

        :raises AgentError: ``bad_settings``, the file cannot be read or understood
        """
        try:
            return _settings(loads(read_private(self.settings_file)))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError) as error:
            raise AgentError("bad_settings", text("bad_settings", path=self.settings_file)) from error

    def save(self, settings: Settings) -> None:
        """Write the settings; a crash leaves the old file or the new one, never half of one."""
        write_private(self.settings_file, json.dumps(asdict(settings), ensure_ascii=False, indent=2))

    def paired(self) -> Pairing:
        """The pairing.

        :raises AgentError: ``not_paired``
        """
        pairing = self.load().pairing
        if pairing is None:
            raise AgentError("not_paired", text("not_paired"))
        return pairing


def _settings(raw: Any) -> Settings:
    """What is understood of the file's content; a newer version may have written more.

    :raises ValueError: it is something else
    """
    if not isinstance(raw, dict):
        raise ValueError("no object")
    paired, libraries = raw.get("pairing"), raw.get("libraries", [])
    pairing = None
    if paired:
        try:
            pairing = Pairing(**{one.name: paired[one.name] for one in fields(Pairing) if one.name in paired})
        except TypeError as error:
            raise ValueError("no pairing") from error
        if not all(isinstance(value, str) for value in asdict(pairing).values()):
            raise ValueError("no pairing")
    if not isinstance(libraries, list):
        raise ValueError("no list of libraries")
    return Settings(pairing, [str(entry) for entry in libraries], str(raw.get("language", "vi")))


def write_private(path: Path, content: str) -> None:
    """Replace a file whole, readable by its owner only (0600 in a 0700 folder)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:  # mkstemp made it 0600
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def read_private(path: Path) -> str:
    """The text of a file of the settings folder, waited for while another program has it open.

    :raises OSError: it cannot be read
    :raises ValueError: it is not UTF-8
    """
    return _patiently(lambda: path.read_text(encoding="utf-8"))


def replace(temporary: str, path: Path) -> None:
    """``os.replace``, repeated while another program has the old file open."""
    _patiently(lambda: os.replace(temporary, path))


def remove(path: str | Path) -> None:
    """Delete a file, if there is one; what another program keeps open for longer stays, and is logged."""
    try:
        _patiently(lambda: os.unlink(path))
    except FileNotFoundError:
        return
    except OSError as error:
        log.warning("not deleted: %s", error)


def _patiently(action: Callable[[], _Result]) -> _Result:
    """What an action with a file gives, repeated while another program has it open.

    Windows refuses then, and virus scanners and indexers open every file that was just written. They let go after
    some 50 ms.
    """
    until = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            return action()
        except PermissionError as error:
            if getattr(error, "winerror", "elsewhere") not in _IN_USE or time.monotonic() > until:
                raise
        time.sleep(0.05)
