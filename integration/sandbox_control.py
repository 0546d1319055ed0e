"""The sandbox's control API, for moving its clock and looking at what it holds."""

from __future__ import annotations

import base64
from datetime import datetime
from email import message_from_bytes
from typing import Any

import requests


def message_id(mail: dict[str, Any]) -> str:
    """The Message-ID of a mail that the control API shows."""
    return str(message_from_bytes(base64.b64decode(mail["message"]))["Message-ID"])


class SandboxControl:
    """Client of `/_sandbox/…` on the loopback interface."""

    def __init__(self, url: str) -> None:
        """:param url: where the sandbox listens, without a path"""
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def _call(self, method: str, name: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._session.request(method, f"{self._url}/_sandbox/{name}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def move_clock(self, seconds: float) -> datetime:
        """Advance the clock (or set it back); returns its time."""
        return datetime.fromisoformat(
            self._call("POST", "clock", {"advance_seconds": seconds})["now"].replace("Z", "+00:00")
        )

    def reset_clock(self) -> None:
        """Back to the real time."""
        self._call("POST", "clock", {"reset": True})

    def change_unit(self, tax_code: str, **columns: str) -> None:
        """Change what VSS has on record of a unit."""
        self._call("POST", "units", {"units": [{"tax_code": tax_code, **columns}]})

    def units(self) -> list[dict[str, Any]]:
        """What VSS has on record of all units."""
        rows: list[dict[str, Any]] = self._call("GET", "units")
        return rows

    def change_settings(self, **settings: str | int | bool) -> None:
        """Set some of the sandbox's switches."""
        self._call("POST", "settings", settings)

    def fault(self, **fault: Any) -> None:
        """Switch one fault on."""
        self._call("POST", "faults", fault)

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._call("DELETE", "faults")

    def newest_dossier(self, tax_code: str) -> dict[str, Any]:
        """The dossier of a unit that was taken in last."""
        return [dossier for dossier in self.dossiers() if dossier["tax_code"] == tax_code][-1]

    def file_at_portal(self, name: str, tax_code: str, email: str, phone: str) -> dict[str, Any]:
        """Register a unit at the portal itself, as a person does; returns the dossier."""
        fields = {"MaSoThue": tax_code, "TenDoiTuong": name, "Email": email, "DienThoai": phone}
        dossier: dict[str, Any] = self._call("POST", "dossiers", {"form": "04", "fields": fields})
        return dossier

    def write_mail(self, reference: str, letter: str, **options: Any) -> str:
        """Have VSS write one more mail about a dossier; returns its Message-ID."""
        rows = self._call("POST", "mails", {"reference": reference, "letter": letter, **options})
        return message_id(rows[-1])

    def newest_mail(self, letter: str, tax_code: str) -> str:
        """The Message-ID of the last mail of this kind about a unit's newest dossier."""
        dossier = self.newest_dossier(tax_code)["id"]
        return message_id([mail for mail in self.mails() if (mail["kind"], mail["dossier"]) == (letter, dossier)][-1])

    def dossiers(self) -> list[dict[str, Any]]:
        """Every dossier that was taken in, oldest first, without its document."""
        rows: list[dict[str, Any]] = self._call("GET", "dossiers")
        return rows

    def mails(self) -> list[dict[str, Any]]:
        """Every mail that was written, oldest first."""
        rows: list[dict[str, Any]] = self._call("GET", "mails")
        return rows

    def faults(self) -> list[dict[str, Any]]:
        """What is switched on and has not occurred so often yet."""
        rows: list[dict[str, Any]] = self._call("GET", "faults")
        return rows

    def is_fine(self) -> bool:
        """Whether every fault that was switched on has occurred."""
        return not self.faults()

    def documents(self) -> list[dict[str, Any]]:
        """Every dossier that was taken in, with its document (base64)."""
        rows: list[dict[str, Any]] = self._call("GET", "dossiers?document=1")
        return rows

    # -- remote signing ----------------------------------------------------------------------------------------------

    def add_key(self, user: str, tax_code: str, name: str) -> bytes:
        """Give somebody a key at the remote signing service; returns the certificate (DER)."""
        person = self._call("POST", "remote/people", {"user": user, "tax_code": tax_code, "name": name})
        return base64.b64decode(person["certificate"])

    def on_phone(self, user: str) -> list[dict[str, Any]]:
        """The requests that this person's phone shows: `reference`, `description`, `documents`, `seconds`."""
        rows: list[dict[str, Any]] = self._call("GET", "remote/requests")["waiting"]
        return [row for row in rows if row["user"] == user]

    def count_signed(self, user: str) -> int:
        """How often the service has made the signatures of a request of this person's."""
        return sum(row["signed"] for row in self._started(user))

    def count_started(self, user: str) -> int:
        """How many requests were put on this person's phone."""
        return len(self._started(user))

    def _started(self, user: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._call("GET", "remote/requests")["started"]
        return [row for row in rows if row["user"] == user]

    def decide(self, reference: str, state: str) -> None:
        """Confirm (`confirmed`) or refuse (`refused`) a request on the phone."""
        self._call("POST", "remote/decide", {"reference": reference, "state": state})

    def activate(self, token: str, code: str) -> None:
        """Enter the code on the portal's page."""
        answer = self._session.post(f"{self._url}/portal/activations/{token}", json={"code": code}, timeout=60)
        answer.raise_for_status()
