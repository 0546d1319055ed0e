import hashlib
import time
from datetime import timedelta

from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged

from ..models.const import ONLINE_SECONDS
from .backstage import Backstage, Computer
from .common import MAIL_SERVER, VERIFIED
from .companies import ManyCompanies
from .patience import RealClockCase
from .samples import signing
from .test_mailbox import ACTIVATION, CONFIRMATION

LANGUAGES = ("en_US", "vi_VN")


class TourCase(RealClockCase, ManyCompanies):
    """Tours."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._speak_vietnamese()
        cls.user.write({"group_ids": [Command.link(cls.env.ref("hr.group_hr_user").id)]})
        cls.agent.last_seen_at = fields.Datetime.now()

    @classmethod
    def _new_certificate(cls, *args, **kwargs):
        return signing.certificate(*args, **kwargs)

    def _new_computer(self, *ders):
        """Return a computer that speaks the protocol, paired as `self.agent`."""
        computer = Computer(self, ders or (self.der,))
        key, name, expires_at = self.agent._new_key()
        digest = hashlib.sha256(key.encode()).hexdigest()
        self.agent.write({"key_hash": digest, "key_name": name, "key_expires_at": expires_at})
        computer.credentials = {"Authorization": f"Bearer {key}", "X-Ibhxh-Agent": self.agent.device}
        return computer

    def _play(self, tour, url, computer, lang, companies=None, **cues):
        """Run `tour` in `lang` with the computer and these further cues backstage."""
        self.user.lang = lang
        stage = Backstage(
            self,
            {
                "pair": lambda code: (computer.pair(code), computer.unplug()),
                "plug": computer.beat,
                "unplug": computer.unplug,
                "claim": computer.claim,
                "sign": computer.sign,
                "refuse": lambda: computer.refuse("pin_cancelled"),
                "send": lambda: self._cron(stage, "send"),
                **{name: (lambda cue=cue: cue(stage)) for name, cue in cues.items()},
            },
        )
        cids = "-".join(map(str, (companies or self.company).ids))
        with stage.running():
            self.start_tour(url, tour, login=self.user.login, cookies={"cids": cids}, timeout=240)
        self.env.invalidate_all()

    def _cron(self, stage, name):
        with stage.env() as env:
            env.ref(f"l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_{name}").method_direct_trigger()

    def _mail(self, stage, text):
        """Let a mail of VSS arrive at the mailbox."""
        date = fields.Datetime.now().strftime("%a, %d %b %Y %H:%M:%S +0000")
        raw = (
            f"{VERIFIED}From: no-reply@vss.gov.vn\nTo: bhxh@example.com\nSubject: Thong bao\n"
            f"Message-Id: <{time.time_ns()}@vss.gov.vn>\nDate: {date}\n"
            f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{text}"
        )
        with stage.env() as env:
            env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", MAIL_SERVER)
            env["mail.thread"].message_process("l10n_vn_ibhxh.mail", raw.encode())


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTours(TourCase):
    def test_first_time_user_from_an_empty_database_to_confirmed(self):
        for lang in LANGUAGES:
            with self.subTest(lang=lang):
                self.env["l10n_vn_ibhxh.agent"].search([]).unlink()
                self.certificate.sudo()._update_companies()
                self._play(
                    "l10n_vn_ibhxh_first_time",
                    "/odoo",
                    Computer(self, (self.der,)),
                    lang,
                    code=lambda stage: self._mail(stage, ACTIVATION),
                    confirm=lambda stage: self._mail(stage, CONFIRMATION),
                )
                registration = self._registrations()
                self.assertEqual(registration.state, "confirmed")
                self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")
                self.assertEqual(len(self.gateway.accepted), 1, "sent once")
                self._forget(registration)

    def test_payroll_user_through_the_hr_menu(self):
        for lang in LANGUAGES:
            with self.subTest(lang=lang):
                computer = self._new_computer()
                self._play("l10n_vn_ibhxh_payroll", "/odoo", computer, lang)
                registration = self._registrations()
                self.assertEqual(registration.signed_on, "PC-KETOAN")
                self._forget(registration)

    def test_expired_code_and_registering_again(self):
        for lang in LANGUAGES:
            with self.subTest(lang=lang):
                computer = self._new_computer()
                registration = self._sent()
                received_at = fields.Datetime.now() - timedelta(hours=23, minutes=30)
                registration.sudo()._activate("BV2VLHCKRA", False, received_at)

                def expire(stage, registration=registration):
                    with stage.env() as env:
                        env["l10n_vn_ibhxh.registration"].browse(registration.id)._expire()

                url = f"/odoo/ibhxh/{registration.id}"
                self._play("l10n_vn_ibhxh_expired", url, computer, lang, expire=expire)
                registrations = self._registrations()
                self.assertEqual(registrations.mapped("state"), ["sent", "expired"])
                self._forget(registrations)

    def test_computer_goes_offline_in_the_middle(self):
        for lang in LANGUAGES:
            with self.subTest(lang=lang):
                computer = self._new_computer()
                registration = self._register()
                self.agent.last_seen_at = fields.Datetime.now()

                def silence(stage):
                    with stage.env() as env:
                        agent = env["l10n_vn_ibhxh.agent"].browse(self.agent.id)
                        agent.last_seen_at = fields.Datetime.now() - timedelta(seconds=ONLINE_SECONDS - 2)
                        agent._notify_people()

                url = f"/odoo/ibhxh/{registration.id}"
                self._play("l10n_vn_ibhxh_offline", url, computer, lang, silence=silence)
                self.assertEqual(registration.state, "to_send")
                self._forget(registration)

    def test_batch_of_twenty_companies_with_three_blocked(self):
        for index, lang in enumerate(LANGUAGES):
            with self.subTest(lang=lang):
                companies = self._new_companies(20, first=20 * index)
                companies[0].vat = False
                companies[1].l10n_vn_ibhxh_agency_id = False
                ders = [self._token(company) for company in companies[1:19]]
                self.agent._heartbeat(ders, [], "1.0.0")

                def answer(stage, companies=companies):
                    with stage.env() as env:
                        sent = env["l10n_vn_ibhxh.registration"].search([("company_id", "in", companies.ids)])
                        for registration in sent[:2]:
                            registration._on_refused("SE003", "MST không khớp")
                        for registration in sent[2:]:
                            registration._confirm(fields.Datetime.now())

                self._play(
                    "l10n_vn_ibhxh_batch",
                    "/odoo/ibhxh-companies",
                    self._new_computer(*ders),
                    lang,
                    companies,
                    answer=answer,
                )
                registrations = self.env["l10n_vn_ibhxh.registration"].search([("company_id", "in", companies.ids)])
                self.assertEqual(registrations.mapped("state").count("confirmed"), 15)
                self.assertEqual(registrations.mapped("state").count("rejected"), 2)

    def _registrations(self):
        return self.env["l10n_vn_ibhxh.registration"].search(
            [("company_id", "=", self.company.id), ("state", "!=", "cancelled")]
        )

    def _forget(self, registrations):
        """Put the company back to where it was, for the next language."""
        self.gateway.accepted.clear()
        registrations.sudo().write({"state": "cancelled"})
        self.company.write(
            {
                "l10n_vn_ibhxh_confirmed_at": False,
                "l10n_vn_ibhxh_unit_code": False,
                "l10n_vn_ibhxh_certificate_id": False,
            }
        )
        self.company._l10n_vn_ibhxh_update_state()
