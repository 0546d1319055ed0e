"""Forged mails: the From header proves nothing, and a user's RPC is not the mail server."""

import uuid

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import IbhxhCommon

CONFIRMATION = """Đăng ký giao dịch điện tử thành công.
Mã đơn vị: TZH490L
Mã số thuế: 0100109106
Số hồ sơ: 03706/2026/001
"""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackMail(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_sender_domains", "vss.gov.vn")
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", "mx.example.com")
        self.registration = self._sent()

    def _mail(self, *, sender="no-reply@vss.gov.vn", results="mx.example.com; dmarc=pass header.from=vss.gov.vn"):
        """A confirmation that names this registration's company."""
        return (
            f"From: VSS <{sender}>\nTo: bhxh@example.com\nSubject: Thong bao\nMessage-Id: <{uuid.uuid4()}@x>\n"
            + (f"Authentication-Results: {results}\n" if results else "")
            + "Date: Mon, 02 Mar 2026 03:00:00 +0000\n"
            + f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{CONFIRMATION}"
        )

    def _process(self, message, user=None):
        thread = self.env["mail.thread"]
        thread = thread.with_user(user) if user else thread
        thread.message_process("l10n_vn_ibhxh.mail", message.encode())
        self.env.invalidate_all()
        return self.env["l10n_vn_ibhxh.mail"].search([], order="id desc", limit=1)

    def test_the_genuine_mail_confirms(self):
        """What the others are measured by."""
        self._process(self._mail())
        self.assertEqual(self.registration.state, "confirmed")

    def test_forgeries_wait_for_a_person(self):
        cases = {
            "another domain": self._mail(sender="no-reply@vss.gov.vn.example.com"),
            "a domain that ends alike": self._mail(sender="no-reply@xvss.gov.vn"),
            "no verdict of the mail server": self._mail(results=None),
            "verdict of another server": self._mail(results="mx.evil.example; dmarc=pass header.from=vss.gov.vn"),
            "failed verdict": self._mail(results="mx.example.com; dmarc=fail header.from=vss.gov.vn"),
            "verdict about another domain": self._mail(results="mx.example.com; dmarc=pass header.from=evil.example"),
        }
        for forgery, message in cases.items():
            with self.subTest(forgery):
                mail = self._process(message)
                self.assertEqual((mail.state, self.registration.state), ("waiting", "sent"))
                self.assertTrue(mail.reason)
                self.assertTrue(mail.activity_ids)

    def test_a_user_is_no_mail_server(self):
        """Anybody who can log in can call Odoo's mail gateway, with headers of their own making."""
        plain = self._new_user("forger", "", self.company)
        mail = self._process(self._mail(), plain)
        self.assertEqual((mail.state, self.registration.state), ("waiting", "sent"))
        self.assertIn(plain.name, mail.reason)

    def test_the_methods_behind_the_mail_gateway_are_not_for_rpc(self):
        for user in (self.user, self.env.ref("base.user_admin")):
            mails_of = self.env["l10n_vn_ibhxh.mail"].with_user(user)
            for call in (mails_of.message_new, mails_of.message_update):
                with self.subTest(user=user.login, call=call.__name__), self.assertRaises(AccessError):
                    call({"subject": "x", "body": "x"})
        self.assertEqual(self.registration.state, "sent")
