"""A batch from its page to `sent` inside one process, to count statements and the processor's time by step.

Runs inside Odoo (see `inside`), this checkout's or an earlier release's. Signatures are made by keys in memory, and the
gateway answers at once; the time of neither counts.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import islice
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import rsa
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.xmlsign import sign
from odoo.addons.l10n_vn_ibhxh.tools import gateways

from integration.ca import CertificateAuthority
from integration.companies import tax_code

TAX_CODE_DIGITS = 10
REGISTRATION = "l10n_vn_ibhxh.registration"


class PromptGateway(gateways.Gateway):  # type: ignore[misc]  # Odoo's modules have no types
    """Accepts at once and has nothing new afterwards: what is measured is Odoo's part."""

    can_submit = True

    def submit(self, dossier: Any, client_reference: str) -> Any:
        """Accepted now, not numbered yet."""
        return gateways.Receipt(client_reference, datetime.now(timezone.utc), None, {"state": "received"})

    def progress(self, client_reference: str) -> Any:
        """Taken in, and nothing more."""
        return gateways.Progress(state="received", dossier_number=None, steps=())

    def resend_code(self, client_reference: str) -> None:
        """Not reached: no code is waited for."""
        raise gateways.Unsupported("no code is sent again here")

    def check(self) -> Any:
        """Not reached."""
        raise gateways.Unsupported("nothing is checked here")


class _Meter:
    """Statements and seconds of the processor (Odoo's, without PostgreSQL's), by step."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}
        self._thread = threading.current_thread()
        self._thread.query_count, self._thread.query_time = 0, 0.0  # type: ignore[attr-defined]

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What happens within counts for the step `name`."""
        queries, started = self._thread.query_count, time.process_time()  # type: ignore[attr-defined]
        yield
        step = self.found.setdefault(name, {"queries": 0, "processor": 0.0})
        step["queries"] += self._thread.query_count - queries  # type: ignore[attr-defined]
        step["processor"] += time.process_time() - started


def measure(env: Any, count: int, companies: int, profile: str = "") -> dict[str, Any]:
    """Register `count` companies, of which `companies` share a certificate each.

    :param profile: folder for a cProfile of each step
    :return: `{step: {queries, processor}}`, seconds of the processor
    """
    env = env(user=env.ref("base.user_admin").id, su=False)
    keys = _prepare(env, count, companies)
    batch = env["l10n_vn_ibhxh.batch"]._from_companies(_companies(env))
    env.cr.commit()
    meter = _Meter()
    provider = type(env["l10n_vn_ibhxh.provider"])
    with patch.object(provider, "_gateway", lambda _self: PromptGateway()):
        steps: dict[str, Callable[[], object]] = {
            "prepared": lambda: _register(env, batch),
            "delivered": lambda: _sign(env, keys, meter),
            "sent": lambda: _run(env, "send", [("state", "=", "to_send")]),
        }
        for name, step in steps.items():
            with _profiled(profile and f"{profile}/{name}.prof"):
                if name == "delivered":
                    step()
                else:
                    with meter.step(name):
                        step()
            env.invalidate_all()
    left = env[REGISTRATION].sudo().search_count([("state", "!=", "sent")])
    made = env[REGISTRATION].sudo().search_count([("state", "=", "sent")])
    return {**meter.found, "left": left, "made": made}


@contextmanager
def _profiled(path: str) -> Iterator[None]:
    if not path:
        yield
        return
    import cProfile

    profiler = cProfile.Profile()
    profiler.enable()
    yield
    profiler.disable()
    profiler.dump_stats(path)


def _companies(env: Any) -> Any:
    return env["res.company"].search([("l10n_vn_ibhxh_tax_code", "!=", False)], order="id")


def _prepare(env: Any, count: int, companies: int) -> dict[str, Any]:
    """Companies that are ready, a paired computer, its certificates; returns `{fingerprint: (certificate, key)}`."""
    provider = env["l10n_vn_ibhxh.provider"].create(
        {"code": "99999", "name": "I-VAN thử", "gateway": "sandbox", "url": "http://127.0.0.1:9/ivan/v1"}
    )
    found = (tax_code(f"01{number:07d}") for number in range(1, 1_000_000))
    codes = list(islice((code for code in found if len(code) == TAX_CODE_DIGITS), count))
    common = {
        "country_id": env.ref("base.vn").id,
        "email": "ke.toan@example.com",
        "phone": "0912345678",
        "street": "Số 1 phố Thử Nghiệm",
        "city": "Hà Nội",
        "l10n_vn_ibhxh_agency_id": env.ref("l10n_vn_ibhxh.agency_001").id,
        "l10n_vn_ibhxh_provider_id": provider.id,
    }
    env["ir.config_parameter"].sudo().set_param("iap.partner_autocomplete.endpoint", "http://127.0.0.1:9")
    made = env["res.company"].create([{**common, "name": f"CÔNG TY {code}", "vat": code} for code in codes])
    env.user.company_ids |= made
    env["ir.cron"].sudo().search([]).active = False
    authority = CertificateAuthority()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ders = []
    for first in range(0, count, companies):
        own, *others = codes[first : first + companies]
        uids = tuple(f"MST:{code}" for code in others)
        ders.append(authority.issue(key.public_key(), tax_code=own, name=f"CÔNG TY {own}", uids=uids))
    agent = (
        env["l10n_vn_ibhxh.agent"]
        .sudo()
        .create(
            {
                "name": "PC",
                "user_id": env.uid,
                "device": "bench",
                "version": "1.0.0",
                "doorbell": "l10n_vn_ibhxh.bench",
                "last_seen_at": datetime.now(timezone.utc).replace(tzinfo=None),
            }
        )
    )
    agent._heartbeat(ders, [], "1.0.0")
    env.cr.commit()
    certificates = map(TokenCertificate.from_der, ders)
    return {certificate.fingerprint: (certificate, key) for certificate in certificates}


def _register(env: Any, batch: Any) -> None:
    batch.with_context(allowed_company_ids=_companies(env).ids).action_register()
    env.cr.commit()
    while batch.state == "running":
        _run(env, "batch")


def _run(env: Any, name: str, left: list[Any] | None = None) -> None:
    """Run a scheduled action as the scheduler does, again until nothing is `left` (a domain) to be done."""
    while True:
        env.ref(f"l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_{name}").sudo().method_direct_trigger()
        env.cr.commit()
        env.invalidate_all()
        if not left or not env[REGISTRATION].sudo().search_count(left, limit=1):
            return


def _sign(env: Any, keys: dict[str, Any], meter: _Meter) -> None:
    """Claim, sign and deliver as the computer does, 20 at a time."""
    env = env(user=env.ref("base.user_root").id, su=True)
    agent = env["l10n_vn_ibhxh.agent"].search([("device", "=", "bench")])
    requests = env["l10n_vn_ibhxh.signing.request"]
    while True:
        with meter.step("claimed"):
            claimed = requests._claim(agent, list(keys), 20)
            documents = {request: (request.certificate_id.fingerprint, request.document) for request in claimed}
            env.cr.commit()
        if not claimed:
            return
        signed = [
            (request.id, sign(base64.b64decode(document), *keys[name], datetime.now(timezone.utc)))
            for request, (name, document) in documents.items()
        ]
        env.invalidate_all()
        with meter.step("delivered"):
            _deliver(env, agent, signed)
            env.cr.commit()
        env.invalidate_all()


def _deliver(env: Any, agent: Any, signed: list[tuple[int, bytes]]) -> None:
    requests = env["l10n_vn_ibhxh.signing.request"]
    if hasattr(requests, "_deliver_all"):
        requests._deliver_all(agent, {requests.browse(i): document for i, document in signed})
        return
    # Releases before 19.0.2.0.0, as their controller did.
    for request_id, document in signed:
        with env.cr.savepoint():
            requests.browse(request_id)._deliver(agent, document)
