"""The scripts of `migrations/`, each from the state before it; `./run package` upgrades whole releases."""

import base64
import json
import runpy
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from pathlib import Path

from odoo import fields
from odoo.tests import TransactionCase, tagged

from .samples import mails, signing

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMigrations(TransactionCase):
    def _migrate(self, script, times=2):
        """Run a script, named as `version/file`, as often as an upgrade that is repeated does."""
        migrate = runpy.run_path(str(MIGRATIONS / script))["migrate"]
        for _time in range(times):
            migrate(self.env.cr, "19.0.1.0.0")

    def _indexes(self):
        self.env.cr.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'l10n_vn_ibhxh_registration'")
        return {name for (name,) in self.env.cr.fetchall()}

    def test_poll_index_is_renamed(self):
        before = self._indexes()
        self.assertIn("l10n_vn_ibhxh_registration_poll_due", before)
        self.env.cr.execute("ALTER INDEX l10n_vn_ibhxh_registration_poll_due RENAME TO l10n_vn_ibhxh_registration_poll")
        self._migrate("19.0.2.0.0/pre-rename-poll-index.py")
        self.assertEqual(self._indexes(), before)

    def test_reminders_of_late_answers_have_their_index(self):
        """Its name was that of a method, so that it was never made."""
        self.assertIn("l10n_vn_ibhxh_registration_answer_overdue", self._indexes())

    def test_views_on_the_merged_ones_build_on_the_form(self):
        views = self.env["ir.ui.view"]
        form = self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_view_form")
        name = "l10n_vn_ibhxh_registration_view_form_lifecycle"

        def extend(parent, arch):
            return views.create({"name": "x", "model": form.model, "inherit_id": parent.id, "arch": arch})

        merged = extend(form, '<field name="dossier_number" position="after"><field name="retry_count"/></field>')
        self.env["ir.model.data"].create(
            {"module": "l10n_vn_ibhxh", "name": name, "model": views._name, "res_id": merged.id}
        )
        custom = extend(merged, '<field name="answer_due_at" position="after"><field name="signed_at"/></field>')
        self.env.flush_all()
        self._migrate("19.0.2.0.0/pre-one-registration-form.py")
        self.env.invalidate_all()
        self.env.registry.clear_all_caches()
        self.assertFalse(merged.exists())
        self.assertFalse(self.env.ref(f"l10n_vn_ibhxh.{name}", raise_if_not_found=False))
        self.assertEqual(custom.inherit_id, form)
        arch = form.get_combined_arch()
        self.assertIn('name="signed_at"', arch.partition('name="answer_due_at"')[2].partition("/>")[2][:120])

    def test_waiting_notifications_are_read_again(self):
        """They were kept with the verdict and the signature that the earlier release found."""
        registration = self.env["l10n_vn_ibhxh.registration"].create({"form": "04"})
        properties = "<SignatureProperties xmlns=''><SignatureProperty><SigningTime/></SignatureProperty>"
        objects = f"<Object>{properties}</SignatureProperties></Object>"
        unsigned = mails.notification().replace("Kết quả".encode(), "Chấp nhận để giải quyết hồ sơ".encode())
        now = datetime.now(timezone.utc)
        dates = {"not_before": now - timedelta(days=2), "not_after": now + timedelta(days=2)}
        node = signing.Signature(signing.certificate("vss", **dates), key_name="vss", objects=objects)
        content = unsigned.replace(b"</BHXH>", node.xml(signing.canonical(unsigned)).encode() + b"</BHXH>")
        values = {
            "name": "x",
            "registration_id": registration.id,
            "source": "upload",
            "received_at": fields.Datetime.now(),
        }
        values |= {"verdict": "confirmed", "signature_state": "unsupported", "signer": "BHXH", "dossier_number": "1/2"}
        waiting, done, broken = self.env["l10n_vn_ibhxh.notification"].create(
            [
                {**values, "content": base64.b64encode(content), "sha256": "a"},
                {**values, "content": base64.b64encode(content), "sha256": "b", "state": "done"},
                {**values, "content": base64.b64encode(b"<a xmlns:n='u'/>"), "sha256": "c"},
            ]
        )
        self.env.flush_all()
        self._migrate("19.0.2.0.0/post-readers-verdicts.py")
        self.env.invalidate_all()
        self.assertEqual((waiting.verdict, waiting.signature_state), ("received", "valid"))
        self.assertEqual(len(waiting.signer_fingerprint), 64)
        self.assertEqual((waiting.dossier_number, done.dossier_number), ("03706/2026/07906", "1/2"))
        self.assertEqual(waiting.transaction_name, "Đăng ký sử dụng dịch vụ I-VAN")
        self.assertEqual((done.verdict, done.signature_state), ("confirmed", "unsupported"))
        self.assertEqual((broken.verdict, broken.signature_state, broken.signer), ("unclear", "unsupported", "BHXH"))

    def test_words_of_the_mail_reader_are_kept(self):
        parameters = self.env["ir.config_parameter"].sudo()
        old, new = "l10n_vn_ibhxh.mail_patterns", "l10n_vn_ibhxh.mail_phrases"
        patterns = {
            "code_labels": ["mật mã một lần", "mã"],
            "not_yet_phrases": ["thử * nghiệm"],
            "confirmation_phrases": ["ghi danh * xong"],
            "unit_value": "[A-Z0-9]{7}",
        }
        for text, phrases in (
            (json.dumps(patterns), {"code": ["mật mã một lần"], "guidance": ["thử … nghiệm"]}),
            ("{", {}),
            ('["x"]', {}),
        ):
            parameters.set_param(new, False)
            parameters.set_param(old, text)
            with self.subTest(text), self.assertLogs(level="WARNING") if phrases else nullcontext():
                self._migrate("19.0.2.0.0/post-mails-evidence.py")
                self.env.invalidate_all()
                self.env.registry.clear_all_caches()
                self.assertFalse(parameters.get_param(old))
                self.assertEqual(self.env["l10n_vn_ibhxh.mail"]._phrases(), {k: tuple(v) for k, v in phrases.items()})

    def test_confirmations_by_mail_are_known_as_such(self):
        company = self.env["res.company"].create({"name": "Công ty A"})
        vals = {"company_id": company.id, "state": "confirmed", "confirmed_at": fields.Datetime.now()}
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo().create([vals] * 3)
        mail_vals = [
            {"registration_id": registration.id, "kind": "confirmation", "state": "done"}
            for registration in registrations[1:]
        ]
        self.env["l10n_vn_ibhxh.mail"].sudo().create(mail_vals)
        self.env["l10n_vn_ibhxh.notification"].sudo().create(
            {
                "name": "x",
                "registration_id": registrations[2].id,
                "source": "upload",
                "received_at": fields.Datetime.now(),
                "content": b"eA==",
                "sha256": "0" * 64,
                "verdict": "confirmed",
                "signature_state": "none",
                "state": "done",
            }
        )
        self.env.flush_all()
        self._migrate("19.0.2.0.0/post-mails-evidence.py")
        self.env.invalidate_all()
        self.assertEqual(registrations.mapped("confirmation_evidence"), [False, "mail", "notification"])
