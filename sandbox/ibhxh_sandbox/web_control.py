"""The control API for tests and demonstrations: clock, faults, units, mails, dossiers, settings, reset."""

from __future__ import annotations

import base64
import hmac
import ipaddress
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from .clock import Clock, moment, stamp
from .documents import FORMS
from .example import HEAD
from .faults import Fault
from .letters import DETAILS
from .office import Lodging
from .problems import Problem
from .seed import COLUMNS, add_units
from .server import Sandbox
from .store import Row
from .units import PORTAL, Provider
from .verdicts import Verdict
from .web_gateway import answer, bad_request, json_body

PREFIX = "/_sandbox"


class Control:
    """Handlers of the control API."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[web.RouteDef]:
        """The routes, each behind the control token (or the loopback interface)."""
        table: dict[str, dict[str, Callable[[web.Request], Awaitable[web.Response]]]] = {
            "clock": {"GET": self.clock, "POST": self.move_clock},
            "settings": {"GET": self.settings, "POST": self.change_settings},
            "faults": {"GET": self.faults, "POST": self.add_faults, "DELETE": self.clear_faults},
            "units": {"GET": self.units, "POST": self.add_units},
            "mails": {"GET": self.mails, "POST": self.write_mail},
            "dossiers": {"GET": self.dossiers, "POST": self.lodge},
            "certificate": {"GET": self.certificate},
            "reset": {"POST": self.reset},
        }
        return [
            web.route(method, f"{PREFIX}/{name}", self.guarded(handler))
            for name, handlers in table.items()
            for method, handler in handlers.items()
        ]

    def guarded(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The handler, for callers with the control token or, where there is none, on the loopback interface."""

        async def guarded(request: web.Request) -> web.Response:
            token = self._sandbox.options.control_token
            if token is None:
                allowed = ipaddress.ip_address(request.remote or "192.0.2.1").is_loopback
            else:
                shown = request.headers.get("Authorization", "")
                allowed = hmac.compare_digest(f"Bearer {token}".encode(), shown.encode())
            if not allowed:
                raise Problem(403, "forbidden", "Giao diện điều khiển chỉ dành cho thử nghiệm.")
            return await handler(request)

        return guarded

    async def clock(self, request: web.Request) -> web.Response:
        """The sandbox's time."""
        return answer(_clock(self._sandbox.clock))

    async def move_clock(self, request: web.Request) -> web.Response:
        """`advance_seconds`, `set` (ISO time), `frozen` (true/false), `reset` (back to the real time)."""
        body = await json_body(request)

        def move() -> None:
            clock = self._sandbox.clock
            if body.get("reset"):
                clock.freeze(False)
                clock.set(clock.system_now())
            if "set" in body:
                clock.set(moment(str(body["set"])))
            clock.advance(float(body.get("advance_seconds", 0)))
            if "frozen" in body:
                clock.freeze(bool(body["frozen"]))
            self._sandbox.keep_clock()
            self._sandbox.office.tick()

        await self._checked(move)
        return answer(_clock(self._sandbox.clock))

    async def settings(self, request: web.Request) -> web.Response:
        """The switches of the office."""
        return answer(self._sandbox.office.settings.as_json())

    async def change_settings(self, request: web.Request) -> web.Response:
        """Set some switches."""
        body = await json_body(request)
        office = self._sandbox.office

        def change() -> None:
            office.change_settings(body)

        await self._checked(change)
        return answer(office.settings.as_json())

    async def faults(self, request: web.Request) -> web.Response:
        """The switches that are on."""
        office = self._sandbox.office
        wire = [asdict(fault) for fault in self._sandbox.faults.active]
        mails = [fault.as_json() for fault in office.mails.faults.active]
        return answer(wire + office.verdicts.as_json() + mails + self._sandbox.remote.faults_as_json())

    async def add_faults(self, request: web.Request) -> web.Response:
        """Switch one fault on."""
        body = await json_body(request)

        def add() -> None:
            options = {name: value for name, value in body.items() if name not in ("endpoint", "kind")}
            if body.get("endpoint") == "mail":
                self._sandbox.office.mails.faults.add(body["kind"], **options)
            elif body.get("endpoint") == "remote":
                self._sandbox.remote.add_fault(body["kind"], **options)
            elif (body.get("endpoint"), body.get("kind")) == ("submit", "refuse"):
                self._sandbox.office.verdicts.active.append(Verdict(**options))
            else:
                self._sandbox.faults.active.append(Fault(**body))

        await self._checked(add)
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch all faults off."""
        self._sandbox.faults.active.clear()
        self._sandbox.office.mails.faults.active.clear()
        self._sandbox.office.verdicts.active.clear()
        self._sandbox.remote.faults.clear()
        return answer([])

    async def units(self, request: web.Request) -> web.Response:
        """All units."""
        return answer(await self._all(f"SELECT {', '.join(COLUMNS)} FROM unit ORDER BY tax_code, id"))  # nosec B608

    async def add_units(self, request: web.Request) -> web.Response:
        """Add or change units: `{"units": [...]}`, the shape of the seed file."""
        body = await json_body(request)
        await self._checked(lambda: add_units(self._sandbox.store, body.get("units", []), change=True))
        return await self.units(request)

    async def mails(self, request: web.Request) -> web.Response:
        """The mails as written, each with its source in `message` (base64)."""
        rows = await self._all("SELECT * FROM mail ORDER BY id")
        return answer([{**row, "message": base64.b64encode(row["message"]).decode()} for row in rows])

    async def write_mail(self, request: web.Request) -> web.Response:
        """Write one more mail: `letter`, `reference` of the dossier, and `late_seconds`, `to`, `sender`, `details`."""
        body = await json_body(request)
        await self._checked(lambda: self._sandbox.office.write_mail(**_mail(body)))
        return await self.mails(request)

    async def lodge(self, request: web.Request) -> web.Response:
        """File a dossier at the portal itself or, with `provider`, in an I-VAN's own program; the dossier."""
        body = await json_body(request)
        filed: list[Row] = []
        await self._checked(lambda: filed.append(self._sandbox.office.lodge(_lodging(body))))
        return answer(self._dossier(filed[0], with_document=False), status=201)

    async def dossiers(self, request: web.Request) -> web.Response:
        """All dossiers with code and link, without the document (`?document=1` gives it as base64)."""
        rows = await self._all("SELECT * FROM dossier ORDER BY id")
        return answer([self._dossier(row, "document" in request.query) for row in rows])

    async def certificate(self, request: web.Request) -> web.Response:
        """The certificate that signs the notifications, PEM."""
        return web.Response(body=self._sandbox.vss_key.certificate, content_type="application/x-pem-file")

    async def reset(self, request: web.Request) -> web.Response:
        """Forget units, dossiers, mails and people with keys, and switch all faults off; clock and settings stay."""
        await json_body(request)  # no page of another site can send JSON
        await self._sandbox.run(self._sandbox.store.clear)
        self._sandbox.remote.clear()
        return await self.clear_faults(request)

    def _dossier(self, row: Row, with_document: bool) -> Row:
        document = row.pop("document")
        notification = row.pop("notification")
        page = f"{self._sandbox.office.mails.portal_url}/#/kich-hoat/{row['token']}"
        shown = {
            **row,
            "steps": json.loads(row["steps"]),
            "holder": json.loads(row["holder"] or "null"),
            "fields": json.loads(row["fields"]),
            "signer": json.loads(row["signer"]),
            "activation_url": page if row["token"] else None,
            "has_notification": notification is not None,
            "takes": self._sandbox.takes[row["reference"]],
        }
        return {**shown, "document": base64.b64encode(document).decode()} if with_document else shown

    async def _all(self, query: str) -> list[Row]:
        return await self._sandbox.run(lambda: self._sandbox.store.all(query))

    async def _checked(self, work: Callable[[], object]) -> None:
        try:
            await self._sandbox.run(work)
        except (ValueError, TypeError, KeyError, OverflowError, sqlite3.IntegrityError) as error:
            raise bad_request(f"{type(error).__name__}: {error}") from error


def _texts(given: object, allowed: Iterable[str], needed: Iterable[str] = ()) -> dict[str, str]:
    """`given` as a dictionary of texts. Raises ValueError when it is none, or on an unknown or missing name."""
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("an object of texts is needed")
    if not set(needed) <= set(given) <= set(allowed):
        raise ValueError(f"may have: {', '.join(allowed)}; must have: {', '.join(needed) or 'none'}")
    return given


def _mail(body: dict[str, Any]) -> dict[str, Any]:
    late = body.pop("late_seconds", 0)
    if type(late) is not int or late < 0:
        raise ValueError("late_seconds must be a whole number from 0")
    details = _texts(body.pop("details", {}), DETAILS)
    given = _texts(body, ("letter", "reference", "to", "sender"), ("letter", "reference"))
    return {
        "reference": given["reference"],
        "kind": given["letter"],
        "late_seconds": late,
        "details": details,
        "sender": given.get("sender"),
        "recipient": given.get("to"),
    }


def _lodging(body: dict[str, Any]) -> Lodging:
    form = body.pop("form", "04")
    if form not in FORMS:
        raise ValueError("form must be 04, 05 or 06")
    provider = _texts(body.pop("provider"), ("code", "name"), ("code", "name")) if "provider" in body else None
    fields = _texts(body.pop("fields", None), (*HEAD, "MaLyDo"), ("MaSoThue", "Email"))
    unit_code = _texts(body, ("unit_code",)).get("unit_code")
    return Lodging(form, fields, unit_code, Provider(**provider) if provider else PORTAL)


def _clock(clock: Clock) -> dict[str, Any]:
    return {
        "now": stamp(clock.now()),
        "offset_seconds": clock.offset.total_seconds(),
        "frozen": clock.frozen_at is not None,
    }
