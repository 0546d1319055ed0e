"""A newer version of this program: offered by Odoo, signed by the makers, installed when the person says so.

The heartbeat's answer names a version; the signed document about it is fetched and kept, the installer only on
:meth:`Updates.install`. Odoo is not trusted: the document's signature, the version (newer than this one), the size and
the SHA-256 decide, and nothing is ever installed without a person.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibhxh_agent import __version__, release, upgrade
from ibhxh_agent.children import start_alone
from ibhxh_agent.client import Client
from ibhxh_agent.config import Folder, read_private, remove, replace, write_private
from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.upgrade import VERSION, version_key

log = logging.getLogger(__name__)

#: Bytes of an installer; today's has about 30 MB.
MAX_INSTALLER = 300 * 2**20
SHA256 = re.compile(r"[0-9a-f]{64}")

#: Called with bytes that are here and bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Offer:
    """A newer version that the makers signed.

    :param size: bytes of the installer
    :param sha256: of the installer, lower-case hexadecimal
    """

    version: str
    size: int
    sha256: str


def platform_name() -> str:
    """What installers are offered for, by what this Python itself was built for: ``windows-x86_64``."""
    name = sysconfig.get_platform()
    if name.startswith("win"):
        return {"win-amd64": "windows-x86_64", "win32": "windows-x86", "win-arm64": "windows-arm64"}.get(name, name)
    system, _, rest = name.partition("-")
    return f"{ {'macosx': 'macos'}.get(system, system) }-{rest.rpartition('-')[2]}".replace(" ", "")


def can_install() -> bool:
    """This program came with the installer, which replaces it; what pip installed, pip updates."""
    return sys.platform == "win32" and bool(getattr(sys, "frozen", False))


def start_installer(path: Path) -> subprocess.Popen[bytes]:
    """Start the installer without questions and without waiting: it ends this program and starts the new one."""
    # The file was checked a moment ago, in a folder of this user's own.
    return start_alone([path, "/S"], cwd=path.parent)


class Updates:
    """Newer versions for the agent with these settings; what is known is kept in files, so any process may ask.

    :param keys: raw public release keys instead of the built-in ones
    :param start: starts the installer; ``None`` where this program cannot be updated by one
    """

    def __init__(
        self,
        folder: Folder,
        client: Client,
        *,
        keys: Sequence[bytes] | None = None,
        version: str = __version__,
        start: Callable[[Path], subprocess.Popen[bytes] | None] | None = None,
    ) -> None:
        self._folder = folder.path / "updates"
        self._begun = upgrade.begun(folder)
        self._client = client
        self._keys = keys
        self._version = version
        self._start = start or (start_installer if can_install() else None)
        self._refused = ""

    @property
    def refused(self) -> str:
        """The version that was offered without a valid signature; empty when there is none."""
        return self._refused

    def consider(self, offered: object) -> None:
        """Look at the ``update`` of a heartbeat's answer: learn what it is about, or forget what is offered no more.

        :raises AgentError: the server cannot be asked now
        """
        version = offered.get("version") if isinstance(offered, dict) else None
        if self._start is None or not isinstance(version, str) or not self._is_newer(version):
            self._forget()
            return
        known = self.pending()
        if version == self._refused or (known is not None and known.version == version):
            return
        document = self._client.signed_release("program", platform_name()).get("document")
        try:
            offer = self._read(document)
            if offer.version != version:
                raise release.refused()
        except AgentError as error:
            # What was pending before is offered no more.
            self._forget()
            self._refused = version
            log.warning("version %s is offered, but not signed by the makers: %s", version, error.code)
            return
        self._refused = ""
        write_private(self._document, str(document))
        log.info("version %s is offered", version)

    def pending(self) -> Offer | None:
        """The newer version that can be installed, if there is one."""
        try:
            return self._read(read_private(self._document))
        except (OSError, ValueError, AgentError):  # none, a broken one, or one that is installed by now
            return None

    def install(self, progress: Progress = lambda _here, _all: None) -> subprocess.Popen[bytes] | None:
        """Fetch the installer that is pending, check it and start it; call this when the person asked for it only.

        :return: the installer; where it does its work, this program does not see its end

        :raises AgentError: ``no_update``; ``update_damaged``, what came is not what was signed; or the server's words
        """
        offer = self.pending()
        if offer is None or self._start is None:
            raise AgentError("no_update", text("no_update"))
        path = self._folder / f"ibhxh-agent-{offer.version}{'.exe' if sys.platform == 'win32' else ''}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_installers()
        descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".download-")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                self._fetch(offer, stream, progress)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o700)
            replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise
        log.info("version %s: the installer is started", offer.version)
        self._begun.write(offer.version)
        try:
            return self._start(path)
        except BaseException:
            self._begun.take()
            raise

    def _fetch(self, offer: Offer, stream: Any, progress: Progress) -> None:
        """Write exactly what was signed, or raise."""
        digest, here = hashlib.sha256(), 0
        for part in self._client.installer(platform_name(), offer.version):
            here += len(part)
            if here > offer.size:
                break
            digest.update(part)
            stream.write(part)
            progress(here, offer.size)
        if here != offer.size or digest.hexdigest() != offer.sha256:
            log.warning("version %s: what came is not what was signed", offer.version)
            raise AgentError("update_damaged", text("update_damaged"))

    def _read(self, document: object) -> Offer:
        """The offer of a signed document for this system, newer than this program.

        :raises AgentError: ``release_refused``
        """
        payload = release.opened(document, "program", self._keys)
        version, size, sha256 = payload.get("version"), payload.get("size"), payload.get("sha256")
        if payload.get("platform") != platform_name() or not isinstance(version, str) or not self._is_newer(version):
            raise release.refused()
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_INSTALLER:
            raise release.refused()
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
            raise release.refused()
        return Offer(version, size, sha256)

    def _is_newer(self, version: str) -> bool:
        return bool(VERSION.fullmatch(version)) and version_key(version) > version_key(self._version)

    @property
    def _document(self) -> Path:
        return self._folder / "program.json"

    def _forget(self) -> None:
        self._refused = ""
        # Each time: Windows lets nobody delete an installer that is still open, as this program's own may be.
        self._remove_installers()
        remove(self._document)

    def _remove_installers(self) -> None:
        for path in [*self._folder.glob("ibhxh-agent-*"), *self._folder.glob(".download-*")]:
            remove(path)
