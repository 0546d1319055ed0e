"""After a whole registration: where are the secrets? In their own columns while they are needed, and nowhere else."""

import base64
import io
import logging
import zipfile

from odoo.tests import tagged
from odoo.tools import SQL

from .common import VERIFIED
from .test_attack_agent import AttackCase

CODE = "XK7PQ3MZ9W"
HEX = "6A294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88465"
SECRET = "hunter2-of-the-ivan"
MAIL = f"""{VERIFIED}From: no-reply@vss.gov.vn
To: bhxh@example.com
Subject: Ma kich hoat {CODE}
Message-Id: <1@vss.gov.vn>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Mã số thuế: 0100109106
Số hồ sơ: 03706/2026/001
Mã xác nhận: {CODE}
Vui lòng truy cập https://gddt.baohiemxahoi.gov.vn/#/kich-hoat/{HEX} để kích hoạt.
"""
OWN = {
    ("l10n_vn_ibhxh_registration", CODE),
    ("l10n_vn_ibhxh_registration", HEX),
    ("l10n_vn_ibhxh_provider", SECRET),
}


class _Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSecrets(AttackCase):
    def setUp(self):
        super().setUp()
        self.log = _Lines()
        logger = logging.getLogger("odoo")
        self.addCleanup(logger.setLevel, logger.level)
        self.addCleanup(logger.removeHandler, self.log)
        logger.setLevel(logging.INFO)
        logger.addHandler(self.log)
        self.provider.client_secret = SECRET
        self.pairing_code = self._code()
        answer = self._call("pair", {"code": self.pairing_code, "name": "PC"}).json()
        self.credentials = {"key": answer["key"], "agent": answer["agent"]}
        self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **self.credentials)
        self.registration = self._register()
        self._sign(self.registration)
        self._send()
        self._verify_senders()
        self.env["mail.thread"].message_process("l10n_vn_ibhxh.mail", MAIL.encode())
        self.env.invalidate_all()
        self.assertEqual(self.registration.activation_code, CODE)

    def _secrets(self):
        plain = self.pairing_code.replace("-", "")
        return [CODE, HEX, SECRET, self.credentials["key"], self.pairing_code, plain]

    def _found(self):
        """`(table, secret)` for each table of the database in which a secret stands in the clear, or in base64."""
        self.env.flush_all()
        tables = self.env.execute_query(SQL("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        found = set()
        for (table,) in tables:
            for secret in self._secrets():
                query = SQL("SELECT 1 FROM %s t WHERE t::text LIKE %s LIMIT 1", SQL.identifier(table), f"%{secret}%")
                if self.env.execute_query(query):
                    found.add((table, secret))
        return found

    def test_secrets_stand_in_their_own_columns_only(self):
        self.assertEqual(self._found(), OWN)

    def test_the_code_is_forgotten_once_it_is_used(self):
        self.registration._confirm(self.registration.submitted_at)
        self.assertEqual(self._found(), {("l10n_vn_ibhxh_provider", SECRET)})

    def test_no_secret_is_logged(self):
        self.assertTrue(self.log.lines)
        text = "\n".join(self.log.lines)
        for secret in self._secrets():
            self.assertNotIn(secret, text)

    def test_no_secret_is_exported(self):
        """The archive of proofs, exports by CSV or Excel, and what the web client reads."""
        with zipfile.ZipFile(io.BytesIO(self.registration._proof_archive().read())) as archive:
            content = b"".join(archive.read(name) for name in archive.namelist())
        groups = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager,base.group_allow_export"
        manager = self._new_user("export", groups, self.company)
        agents = self.env["l10n_vn_ibhxh.agent"].with_user(manager).search([])
        exported = str(agents.export_data(["name", "device", "user_id/name"])) + str(agents.read())
        for secret in (SECRET, self.credentials["key"], self.pairing_code):
            self.assertNotIn(secret.encode(), content)
            self.assertNotIn(secret, exported)
        self.assertNotIn("key_hash", str(agents.read()))
        self.assertNotIn(HEX.encode(), content)

    def test_attachments_hold_no_code(self):
        for attachment in self.env["ir.attachment"].sudo().search([("res_model", "=like", "l10n_vn_ibhxh.%")]):
            self.assertNotIn(CODE.encode(), attachment.raw or b"")

    def test_the_bell_rings_without_a_word(self):
        """What goes over the bus is readable by anyone who knows the channel."""
        for (message,) in self.env.execute_query(
            SQL("SELECT message FROM bus_bus WHERE message LIKE '%%l10n_vn_ibhxh%%'")
        ):
            for word in (self.company.name, self.company.vat, self.registration.email, CODE):
                self.assertNotIn(word, message)
