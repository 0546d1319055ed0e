"""The agent's settings: one JSON file in the settings folder, and which folders it uses."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import loads

APP = "ibhxh-agent"
#: Seconds for which a file that another program has open is waited for.
REPLACE_SECONDS = 2.0
#: Windows: ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION (winerror.h).
_IN_USE = frozenset({5, 32, 33})
#: Of the links that Odoo opens this program with.
SCHEME = "ibhxh-agent"


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

        :raises AgentError: ``bad_settings``, the file cannot be understood
        """
        try:
            raw = loads(self.settings_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError) as error:
            raise AgentError("bad_settings", text("bad_settings", path=self.settings_file)) from error
        try:
            pairing = Pairing(**raw["pairing"]) if raw.get("pairing") else None
            libraries = [str(entry) for entry in raw.get("libraries", [])]
            return Settings(pairing=pairing, libraries=libraries, language=str(raw.get("language", "vi")))
        except (AttributeError, TypeError) as error:
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
        os.unlink(temporary)
        raise


def replace(temporary: str, path: Path) -> None:
    """``os.replace``, repeated while another program has the old file open.

    Windows refuses then, and virus scanners and indexers open every file that was just written. They let go after
    some 50 ms.
    """
    until = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            os.replace(temporary, path)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE or time.monotonic() > until:
                raise
        time.sleep(0.05)
