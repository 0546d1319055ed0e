"""Protocol v1: the agent's calls to Odoo. The agent calls Odoo; nobody calls the agent."""

from __future__ import annotations

import ipaddress
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

from ibhxh_agent import __version__
from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import loads

PREFIX = "/l10n_vn_ibhxh/agent/v1/"
#: Seconds to connect and to read.
TIMEOUT = (10, 60)
#: Bytes; 500 dossiers of some kilobytes each stay below.
MAX_ANSWER = 64 * 2**20
#: Bytes of an answer that says no to a download, and of one part of a download.
MAX_ERROR, DOWNLOAD_PART = 64 * 2**10, 128 * 2**10
#: Seconds that an installer may take.
LONGEST_DOWNLOAD = 1800.0
#: Seconds that a server may ask to wait.
LONGEST_WAIT = 3600.0


class ServerError(AgentError):
    """The server answered with an error of protocol v1.

    :param status: HTTP status
    :param retry_after: seconds the server asks to wait, if it does
    """

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.retry_after = retry_after


class Unreachable(AgentError):
    """The server could not be asked, or what came back is no answer of protocol v1; worth trying again."""


#: Codes after which this agent can do no more until it is paired again.
FINAL_CODES = frozenset({"invalid_key", "revoked", "wrong_device"})


@dataclass(frozen=True)
class Server:
    """A checked server address.

    :param base: ``scheme://host[:port][/path]`` without a slash at the end
    :param loopback: the host is this computer
    """

    base: str
    loopback: bool

    @classmethod
    def parse(cls, address: str) -> Server:
        """Check an address that a person typed.

        :raises AgentError: ``bad_server`` or ``plain_http`` (HTTP is for this computer only: the key would travel
            readable)
        """
        try:
            parts = urlsplit(address if "://" in address else f"https://{address}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise AgentError("bad_server", text("bad_server")) from None
        # The address is put together from what was read, and must be what was typed: else another program could
        # understand another host (`http://[::1]evil.example`).
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port is not None else "")
        if parts.scheme not in ("http", "https") or not host or parts.netloc.lower() != place:
            raise AgentError("bad_server", text("bad_server"))
        if parts.query or parts.fragment or not host.isprintable() or any(c in host for c in " \\%"):
            raise AgentError("bad_server", text("bad_server"))
        loopback = _is_loopback(host)
        if parts.scheme == "http" and not loopback:
            raise AgentError("plain_http", text("plain_http"))
        return cls(urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", "")), loopback)

    @property
    def websocket(self) -> str:
        """Address of Odoo's bus."""
        return "ws" + self.base[len("http") :] + "/websocket"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class OnlyKey(AuthBase):
    """Sends the agent's own key, or nothing.

    Without an ``auth`` of its own, ``requests`` would look into the user's ``.netrc`` and send a password from there.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self._credentials is not None and self._credentials.key:
            request.headers["Authorization"] = f"Bearer {self._credentials.key}"
            request.headers["X-Ibhxh-Agent"] = self._credentials.agent
        return request


@dataclass
class Credentials:
    """Who this computer is for the server; shared by the clients of all threads, so a renewed key reaches each.

    :param key: the API key; empty only while pairing
    :param agent: the device's UUID
    """

    key: str = ""
    agent: str = ""


class Client:
    """One connection to the server; not shared between threads."""

    def __init__(self, server: Server, database: str = "", credentials: Credentials | None = None) -> None:
        self.server = server
        self.database = database
        self.credentials = credentials or Credentials()
        self._date: datetime | None = None
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"ibhxh-agent/{__version__}"
        # A short answer could unpack to gigabytes.
        self._session.headers["Accept-Encoding"] = "identity"
        if server.loopback:
            # A proxy must never see a request to this computer, whatever the environment says.
            self._session.trust_env = False
        if database:
            self._session.headers["X-Odoo-Database"] = database

    def another(self) -> Client:
        """A second client of the same server and credentials, for another thread."""
        return Client(self.server, self.database, self.credentials)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def pair(self, code: str, name: str) -> dict[str, Any]:
        """Exchange a one-time code for ``{agent, key, expires_at, server_time, user, database}``."""
        body = {"code": code, "name": name, "os": f"{platform.system()} {platform.release()}", "version": __version__}
        return _object(self._post("pair", body), "agent", "key", "expires_at")

    def heartbeat(self, certificates: list[str], tokens: list[dict[str, Any]], **more: object) -> dict[str, Any]:
        """Report what is plugged in; → ``{poll_after, doorbell, pending, server_time, …}``.

        :param more: ``diagnosis``, ``platform`` and ``libraries``, see docs/agent-protocol.md
        """
        body = {"certificates": certificates, "tokens": tokens, "version": __version__, **more}
        return _object(self._post("heartbeat", body), "poll_after")

    def signed_release(self, kind: str, platform_name: str = "") -> dict[str, Any]:
        """The document ``{document}`` that the makers signed about a ``program`` or about ``libraries``."""
        return _object(self._post("release", {"kind": kind, "platform": platform_name}), "document")

    def installer(self, platform_name: str, version: str) -> Iterator[bytes]:
        """The bytes of an installer, part by part. Nothing is known of them: the caller counts and checks them.

        :raises AgentError: the server said no, cannot be reached, or takes longer than :data:`LONGEST_DOWNLOAD`
        """
        until = time.monotonic() + LONGEST_DOWNLOAD
        with self._opened("release/installer", {"platform": platform_name, "version": version}) as response:
            if response.status_code != 200:
                self._answer(response.status_code, response.raw.read(MAX_ERROR + 1, decode_content=False), "")
                raise _not_ours(response.status_code)
            while part := response.raw.read(DOWNLOAD_PART, decode_content=False):
                yield part
                if time.monotonic() > until:
                    raise Unreachable("unreachable", text("unreachable", server=self.server.base))

    def claim(self, fingerprints: list[str], limit: int, *, resume: bool = False) -> list[dict[str, Any]]:
        """Take the requests that wait for these certificates.

        :param resume: also those that this computer took before it was restarted
        """
        answer = self._post("requests/claim", {"fingerprints": fingerprints, "limit": limit, "resume": resume})
        if not isinstance(answer, list) or not all(isinstance(entry, dict) for entry in answer):
            raise _not_ours()
        if len(answer) > limit:
            raise _not_ours()
        return answer

    def ping(self) -> datetime | None:
        """Ask for nothing, which proves address, key and device; the time of the server's ``Date`` header."""
        self.claim([], 1)
        return self._date

    def renew(self, request: str) -> dict[str, Any]:
        """Keep the lease of a claimed request."""
        return _object(self._post(f"requests/{quote(request, safe='')}/renew", {}))

    def signed(self, request: str, document: str) -> dict[str, Any]:
        """Deliver a signed document (base64); the same delivery may be repeated."""
        return _object(self._post(f"requests/{quote(request, safe='')}/signed", {"document": document}))

    def signed_together(self, documents: Sequence[tuple[str, str]]) -> list[str]:
        """Deliver several signed documents (request, base64), each of which is judged by itself.

        :return: for each the error code, '' when it was taken
        """
        body = {"signed": [{"id": int(request), "document": document} for request, document in documents]}
        answers = self._post("requests/signed", body)
        if not isinstance(answers, list) or len(answers) != len(documents):
            raise _not_ours()
        return ["" if one.get("state") == "signed" else str(one.get("error", "")) for one in map(_object, answers)]

    def failed(self, request: str, code: str, message: str) -> dict[str, Any]:
        """Say why a request was not signed."""
        return _object(self._post(f"requests/{quote(request, safe='')}/failed", {"code": code, "message": message}))

    def release(self, request: str) -> dict[str, Any]:
        """Give a request back without an answer."""
        return _object(self._post(f"requests/{quote(request, safe='')}/release", {}))

    def new_key(self) -> dict[str, Any]:
        """A new key; the old one dies when the new one is used first."""
        return _object(self._post("key", {}), "key", "expires_at")

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        """One call; repeated once when the key was renewed by another thread meanwhile.

        :raises ServerError: the server said no
        :raises Unreachable: no answer, or none of this protocol
        """
        key = self.credentials.key
        try:
            return self._post_once(path, body)
        except ServerError as error:
            if error.status != 401 or key == self.credentials.key:
                raise
        return self._post_once(path, body)

    def _post_once(self, path: str, body: dict[str, Any]) -> Any:
        with self._opened(path, body) as response:
            content = response.raw.read(MAX_ANSWER + 1, decode_content=False)
            status, retry_after = response.status_code, response.headers.get("Retry-After", "")
            self._date = _http_date(response.headers.get("Date", ""))
        return self._answer(status, content, retry_after)

    @contextmanager
    def _opened(self, path: str, body: dict[str, Any]) -> Iterator[requests.Response]:
        """The answer to one call, its body not read yet; whatever breaks the line is :class:`Unreachable`."""
        try:
            # No redirects: they would carry the key to another address.
            with self._session.post(
                self.server.base + PREFIX + path,
                json=body,
                auth=OnlyKey(self.credentials),
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                yield response
        except AgentError:
            raise
        except requests.exceptions.SSLError as error:
            raise Unreachable("tls", text("tls", server=self.server.base)) from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise Unreachable("unreachable", text("unreachable", server=self.server.base)) from error
        except Exception as error:
            # urllib3 raises its own errors while the body is read
            raise Unreachable("unreachable", text("unreachable", server=self.server.base)) from error

    def _answer(self, status: int, content: bytes, retry_after: str) -> Any:
        if len(content) > MAX_ANSWER:
            raise _not_ours()
        try:
            answer = loads(content)
        except ValueError:
            answer = None
        if 200 <= status < 300 and answer is not None:
            return answer
        if status == 413:  # Odoo's own answer, no JSON: repeating it would not make the body smaller
            raise ServerError(status, "too_large", text("too_large"))
        if 400 <= status < 500 and isinstance(answer, dict) and isinstance(answer.get("error"), str):
            raise ServerError(status, answer["error"], str(answer.get("message", "")), _seconds(retry_after))
        raise _not_ours(status)


def _http_date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):  # whatever a header makes the parser raise
        return None


def _seconds(value: str) -> float | None:
    """``Retry-After`` in seconds, at most :data:`LONGEST_WAIT`; ``None`` for a date or nonsense."""
    if not value.isascii() or not value.isdecimal():
        return None
    return min(float(value[:9]), LONGEST_WAIT)


def _not_ours(status: int = 200) -> Unreachable:
    return Unreachable("not_protocol", text("not_protocol", status=status))


def _object(answer: Any, *needed: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or any(name not in answer for name in needed):
        raise _not_ours()
    return answer
