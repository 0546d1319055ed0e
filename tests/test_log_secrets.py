"""Odoo logs a statement that PostgreSQL refuses, with all its values: no secret goes with what may be refused."""

import logging
from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from psycopg2 import IntegrityError

from .common import IbhxhCommon

CODE = "XK7PQ3MZ9W"
LINK = "https://baohiemxahoi.gov.vn/#/kich-hoat/6A294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88465"
SECRET = "hunter2-of-the-ivan"


class _Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLogSecrets(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.log = _Lines()
        logger = logging.getLogger("odoo.sql_db")
        self.addCleanup(logger.setLevel, logger.level)
        self.addCleanup(logger.removeHandler, self.log)
        logger.setLevel(logging.WARNING)
        logger.addHandler(self.log)

    def _assert_silent(self):
        for secret in (CODE, LINK, SECRET):
            self.assertNotIn(secret, "\n".join(self.log.lines))

    def _manager(self):
        return self._new_user(
            "shared12", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.env["res.company"].search([])
        )

    def test_s12_an_ivan_is_entered_twice(self):
        vals = {"code": "99999", "name": "x", "gateway": "sandbox", "url": self.provider.url, "company_id": False}
        providers = self.env["l10n_vn_ibhxh.provider"].with_user(self._manager())
        with self.assertRaises(IntegrityError):
            providers.create({**vals, "client_secret_input": SECRET})
        self.assertTrue(self.log.lines)
        self._assert_silent()

    def test_s12_code_and_password_are_changed_together(self):
        other = self.provider.copy({"code": "99998"})
        self.env.flush_all()
        with self.assertRaises(IntegrityError):
            other.with_user(self._manager()).write({"code": "99999", "client_secret_input": SECRET})
        self.assertTrue(self.log.lines)
        self._assert_silent()
        # What is right is stored.
        other.with_user(self._manager()).write({"code": "99997", "client_secret_input": SECRET})
        self.assertEqual((other.code, other.sudo().client_secret), ("99997", SECRET))

    def test_s12_a_late_code_while_another_registration_is_under_way(self):
        expired = self._sent()
        expired.sudo()._activate("BV2VLHCKRA", False, fields.Datetime.now())
        with self._later(hours=25):
            expired.sudo()._expire()
            draft = self.env["l10n_vn_ibhxh.registration"].with_user(self.user).create({"company_id": self.company.id})
            with self.assertRaises(UserError) as caught:
                expired.sudo()._activate(CODE, LINK, fields.Datetime.now() - timedelta(minutes=5))
                self.env.flush_all()
            self.assertIn(draft.name, str(caught.exception))
        self._assert_silent()

    def test_s12_what_is_typed_with_something_missing(self):
        registration = self._sent()
        answers = self.env["l10n_vn_ibhxh.lodge.answer"].with_user(self.user)
        given = {"registration_id": registration.id, "answer": "code", "activation_code": CODE}
        pasted = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        answer = answers.create(given)
        doors = (
            lambda: answers.create({**given, "answered_at": False}),
            lambda: answers.create({**given, "registration_id": False}),
            lambda: answers.create({"activation_code": CODE}),
            lambda: answer.write({"activation_code": CODE, "answered_at": False}),
            lambda: pasted.create({"text": CODE}),
            lambda: pasted.create({"text": CODE, "registration_id": registration.id, "received_at": False}),
            lambda: pasted.create({"text": CODE, "registration_id": 2**30}),
        )
        for number, door in enumerate(doors):
            with self.subTest(number), self.assertRaises(UserError):
                door()
                self.env.flush_all()
        self._assert_silent()
