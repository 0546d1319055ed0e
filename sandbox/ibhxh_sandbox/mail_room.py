"""Writes mails into the outbox: the ones that matter, and in foul weather whatever else VSS sends, in any order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import timedelta

from . import letters
from .clock import VIETNAM, Clock, stamp, vietnamese
from .mail_bytes import to_bytes
from .mail_faults import MailFaults
from .settings import Settings
from .store import Row, Store
from .vss_key import VssKey

BEFORE_ACTIVATION = ("receipt", "announcement", "ordinary_receipt", "licence")
AFTER_ACTIVATION = ("ordinary_result", "one_time_password", "password_reset")
"""What comes along in foul weather (an account mail follows every activation then)."""
LATE_SECONDS = (0, 0, 5, 20)
"""By how much one of those may be late. What matters is late only when a mail fault says so."""
_NUMBERED = ("ordinary_receipt", "ordinary_result")


class MailRoom:
    """Writes the mails of one VSS; its callers hold the transaction."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, key: VssKey, *, portal_url: str, sender: str
    ) -> None:
        self.portal_url = portal_url
        self.faults = MailFaults()
        self._store = store
        self._clock = clock
        self._settings = settings
        self._key = key
        self._sender = sender

    def received(self, row: Row, unit: Row) -> None:
        """A dossier was taken in and is decided on later."""
        self._post_all(("receipt",) if self._is_foul else (), row, unit)

    def asked(self, row: Row, unit: Row, *, at_once: bool) -> None:
        """A dossier waits for its code; `at_once`: its receipt has not been mailed yet."""
        along = BEFORE_ACTIVATION if at_once else BEFORE_ACTIVATION[1:]
        self._post_all(("activation", *(along if self._is_foul else ())), row, unit)

    def confirmed(self, row: Row, unit: Row, *, at_once: bool, new_password: bool) -> None:
        """A dossier was confirmed; `at_once`: without a code, and its receipt has not been mailed yet."""
        activated = row["token"] is not None
        kinds = ["confirmation"]
        if activated and (self._is_foul or (new_password and self._settings.edition == "today")):
            kinds.append("account")
        if self._is_foul:
            kinds += AFTER_ACTIVATION
            kinds += ["receipt"] if at_once else []
        self._post_all(kinds, row, unit, new_password=new_password)

    def refused(self, row: Row, unit: Row) -> None:
        """A dossier was refused after it had been taken in."""
        self.post("rejection", row, unit)

    def post(
        self,
        kind: str,
        row: Row,
        unit: Row,
        *,
        new_password: bool = False,
        late_seconds: int = 0,
        details: Mapping[str, str] | None = None,
        sender: str | None = None,
        recipient: str | None = None,
    ) -> None:
        """Write one mail and put it into the outbox, as the mail faults that are switched on would have it.

        :param late_seconds: of the sandbox's clock, until it leaves
        :param details: see `letters.DETAILS`
        :param sender: in place of the sandbox's own
        :param recipient: in place of the dossier's address
        """
        now = self._clock.now()
        details = dict(details or {})
        if kind in _NUMBERED and "number" not in details:
            details["number"] = self.next_number(row["agency_code"])
        letter = letters.Letter(
            dossier=row,
            unit=unit,
            portal=self.portal_url,
            expires=vietnamese(row["code_expires_at"] or stamp(now)),
            sender=sender or self._sender,
            at=now,
            settings=self._settings,
            key=self._key,
            new_password=new_password,
            details=details,
        )
        message = letters.writer(kind, self._settings.edition)(letter)
        if recipient:
            message.replace_header("To", recipient)
        for outgoing in self.faults.apply(kind, message):
            late = timedelta(seconds=late_seconds + outgoing.late_seconds)
            self._store.insert(
                "mail",
                {
                    "dossier": row["id"],
                    "kind": kind,
                    "sender": outgoing.sender,
                    "recipient": outgoing.recipient,
                    "subject": str(outgoing.message["Subject"]),
                    "message": to_bytes(outgoing.message),
                    "created_at": stamp(now),
                    "due_at": stamp(now + late),
                    "held_for": row["unit"] if outgoing.after_next else None,
                },
            )
        if kind in ("confirmation", "rejection"):
            # What was held back to come out of order goes out behind this one.
            self._store.update("mail", "held_for", row["unit"], held_for=None, released=1)

    def next_number(self, agency: str) -> str:
        """The next dossier number of that agency: ordinary dossiers and registrations share the count."""
        year = self._clock.now().astimezone(VIETNAM).year
        return f"{self._store.next_number(agency, year):05}/{year}/{agency}"

    @property
    def _is_foul(self) -> bool:
        return self._settings.weather == "foul"

    def _post_all(self, kinds: Iterable[str], row: Row, unit: Row, *, new_password: bool = False) -> None:
        # Any order, but the same one each time that the same things happen.
        dice = random.Random(f"{row['id']} {row['state']}")  # nosec B311: no secret comes of it
        kinds = list(kinds)
        if self._is_foul:
            dice.shuffle(kinds)
        for kind in kinds:
            late = dice.choice(LATE_SECONDS) if kind in letters.BESIDES and self._is_foul else 0
            self.post(kind, row, unit, new_password=new_password, late_seconds=late)
