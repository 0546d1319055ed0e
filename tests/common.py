"""What the tests share: a company with a token, a gateway of the test's own, and a pair of hands to sign."""

import base64
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo import fields
from odoo.fields import Command
from odoo.tests import TransactionCase, freeze_time, new_test_user

from ..tools import gateways
from .samples import signing

NOW = "2026-03-02 03:04:05"
TAX_CODE = signing.TAX_CODE
EMAIL = "ke.toan@example.com"
# What the company's own mail server writes over a mail of VSS, once `_verify_senders` was called.
MAIL_SERVER = "mx.example.com"
VERIFIED = f"Authentication-Results: {MAIL_SERVER}; dmarc=pass header.from=vss.gov.vn\n"


class TestGateway(gateways.Gateway):
    """A gateway in the test's hands: remembers what reached it, answers or fails as told.

    `accepted` maps client references to dossiers. `fail_before` is raised instead of accepting, `fail_after` once the
    dossier has been accepted: the answer that gets lost.
    """

    can_submit = True
    can_resend = True

    def __init__(self):
        self.accepted = {}
        self.calls = []
        self.fail_before = None
        self.fail_after = None
        self.answer = None
        self.number = "03706/2026/001"

    def submit(self, dossier, client_reference):
        self.calls.append("submit")
        if self.fail_before:
            raise self.fail_before
        self.accepted.setdefault(client_reference, []).append(dossier)
        if self.fail_after:
            raise self.fail_after
        now = fields.Datetime.now().replace(tzinfo=timezone.utc)
        return gateways.Receipt(client_reference, now, self.number, {"state": "received", "số": "1"})

    def progress(self, client_reference):
        self.calls.append("progress")
        if self.fail_before:
            raise self.fail_before
        if self.answer:
            return self.answer
        if client_reference not in self.accepted:
            return None
        return gateways.Progress(state="received", dossier_number=self.number, steps=())

    def resend_code(self, client_reference):
        self.calls.append("resend_code")

    def check(self):
        return gateways.GatewayHealth(ok=True, clock_skew_seconds=0.0, message="test")


def step(number, code="OK", description="Thành công", passed=True):
    at = datetime(2026, 3, 2, 3, number, tzinfo=timezone.utc)
    return gateways.Step(number=number, at=at, code=code, description=description, passed=passed)


def progress(state, *steps, number="03706/2026/001", **more):
    return gateways.Progress(state=state, dossier_number=number, steps=steps, **more)


class IbhxhCommon(TransactionCase):
    """A Vietnamese company, its user, a paired computer that reports the company's certificate, a test gateway."""

    # PostgreSQL's own clock does not freeze, and it is the one that ends API keys: tests over HTTP set this to None.
    frozen_at = NOW

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        now = datetime.now(timezone.utc) if cls.frozen_at is None else signing.NOW
        cls.der = signing.certificate(
            common_name="CÔNG TY TNHH AN PHÁT",
            not_before=now - timedelta(days=100),
            not_after=now + timedelta(days=265),
        )
        cls._frozen = freeze_time(now.strftime("%Y-%m-%d %H:%M:%S"))
        cls._frozen.start()
        cls.addClassCleanup(cls._frozen.stop)
        cls.company = cls.env["res.company"].create(
            {
                "name": "Công ty TNHH An Phát",
                "country_id": cls.env.ref("base.vn").id,
                "vat": TAX_CODE,
                "email": EMAIL,
                "phone": "0912 345 678",
                "street": "1 Tràng Thi",
                "city": "Hà Nội",
            }
        )
        cls.agency = cls.env.ref("l10n_vn_ibhxh.agency_001")
        cls.provider = cls.env["l10n_vn_ibhxh.provider"].create(
            {
                "code": "99999",
                "name": "I-VAN thử",
                "gateway": "sandbox",
                "url": "http://127.0.0.1:9/ivan/v1",
                "portal_hosts": "baohiemxahoi.gov.vn",
            }
        )
        cls.company.write({"l10n_vn_ibhxh_provider_id": cls.provider.id, "l10n_vn_ibhxh_agency_id": cls.agency.id})
        cls.user = cls._new_user("ketoan", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", cls.company)
        cls.agent = cls._new_agent(cls.user)
        cls.certificate = cls._plug_in(cls.agent, cls.der)

    def setUp(self):
        super().setUp()
        self.gateway = TestGateway()
        self.startPatcher(
            patch.object(type(self.env["l10n_vn_ibhxh.provider"]), "_gateway", lambda provider: self.gateway)
        )

    @classmethod
    def _new_certificate(cls, *args, **kwargs):
        """Return the DER bytes of a certificate; cryptography does not take the times of a frozen clock."""
        cls._frozen.stop()
        try:
            return signing.certificate(*args, **kwargs)
        finally:
            cls._frozen.start()

    @classmethod
    def _new_user(cls, login, group, companies):
        return new_test_user(
            cls.env,
            login=login,
            groups=f"base.group_user,{group}" if group else "base.group_user",
            company_id=companies[:1].id,
            company_ids=[Command.set(companies.ids)],
        )

    @classmethod
    def _new_agent(cls, user, name="PC-KETOAN"):
        return cls.env["l10n_vn_ibhxh.agent"].create(
            {
                "name": name,
                "user_id": user.id,
                "device": f"device-{name}-{user.id}",
                "version": "1.0.0",
                "doorbell": f"l10n_vn_ibhxh.test-{name}-{user.id}",
                "last_seen_at": fields.Datetime.now(),
            }
        )

    @classmethod
    def _plug_in(cls, agent, *ders):
        """Let `agent` report these certificates and return them."""
        agent._heartbeat(list(ders), [], "1.0.0")
        return agent.present_certificate_ids

    def _wizard(self, user=None, **vals):
        return (
            self.env["l10n_vn_ibhxh.registration.wizard"]
            .with_user(user or self.user)
            .create({"company_id": self.company.id, **vals})
        )

    def _register(self, user=None, **vals):
        """Go through the wizard and return the registration that waits for the token."""
        action = self._wizard(user, **vals).action_register()
        return self.env[action["res_model"]].with_user(user or self.user).browse(action["res_id"])

    def _claim(self, agent=None, fingerprint=None):
        agent = agent or self.agent
        fingerprints = [fingerprint] if fingerprint else agent.certificate_ids.mapped("fingerprint")
        return self.env["l10n_vn_ibhxh.signing.request"].sudo()._claim(agent, fingerprints, 20)

    def _sign(self, registration, agent=None, der=None, **knobs):
        """Sign as the computer does, with a key in memory: what is tested here is the server."""
        agent = agent or self.agent
        request = registration.sudo().signing_request_id
        self._claim(agent)
        signed = signing.sign(base64.b64decode(request.document), der or self.der, **knobs)
        return request._deliver(agent, signed)

    def _signed_second(self):
        """Return the signed registration of another unit of the company, with the same certificate."""
        other = self.env["res.company"].create(
            {
                "name": "Đơn vị B",
                "parent_id": self.company.id,
                "vat": self.company.vat,
                "l10n_vn_ibhxh_unit_code": "TZH491L",
            }
        )
        other.write({"l10n_vn_ibhxh_provider_id": self.provider.id, "l10n_vn_ibhxh_agency_id": self.agency.id})
        self.user.company_ids += other
        self.certificate._update_companies()
        wizard = self._wizard(company_id=other.id, email="b@example.com", phone="0912345678")
        second = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self._sign(second)
        return second

    def _run(self, name):
        """Run one scheduled action as the scheduler does."""
        with self.enter_registry_test_mode():
            self.env.ref(f"l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_{name}").method_direct_trigger()
        self.env.invalidate_all()

    def _verify_senders(self):
        """Name the own mail server in the settings: from now on mails with `VERIFIED` act by themselves."""
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", MAIL_SERVER)

    def _send(self):
        self._run("send")

    def _follow(self):
        self._run("follow")

    def _sent(self, **vals):
        """Return a registration that the gateway has accepted."""
        registration = self._register(**vals)
        self._sign(registration)
        self._send()
        return registration

    def _confirmed(self, **vals):
        """Return a registration that VSS has confirmed."""
        registration = self._sent(**vals)
        registration._confirm(fields.Datetime.now(), unit_code="TZH490L")
        return registration

    @contextmanager
    def _later(self, **delta):
        """Move the clock on from now by a timedelta's arguments."""
        with freeze_time(fields.Datetime.now() + timedelta(**delta)):
            self.env.invalidate_all()
            yield
