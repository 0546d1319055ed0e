import base64
import csv
import hashlib
import io
import json
import runpy
import zipfile
from pathlib import Path

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import IbhxhCommon, progress, step
from .patience import PatientHttpCase
from .test_notification import xml

CODE = "BV2VLHCKRA"
HEX = "57294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88464"
LINK = f"https://gddt.baohiemxahoi.gov.vn/#/kich-hoat/{HEX}"
SUBJECT = base64.b64encode(f"Mã xác nhận: {CODE}".encode()).decode()
MAIL = f"""From: VSS <no-reply@vss.gov.vn>
To: bhxh@example.com
Subject: =?utf-8?B?{SUBJECT}?=
X-Code: {CODE}
In-Reply-To: <{CODE}@vss.gov.vn>
Message-Id: <one@vss.gov.vn>
Received: from vss.gov.vn by mx.example.com; Mon, 02 Mar 2026 03:00:00 +0000
Date: Mon, 02 Mar 2026 03:00:00 +0000
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Mã số thuế: 0100109106
Số hồ sơ: 03706/2026/001
Mã xác nhận: {CODE}
{LINK}
"""


class ProofCommon(IbhxhCommon):
    def _whole_life(self):
        """Return a registration that was signed, sent, printed, answered by mail and told more by the gateway."""
        registration = self._sent()
        self._run("print")
        mail_id = self.env["mail.thread"].message_process("l10n_vn_ibhxh.mail", MAIL.encode())
        # An answer is never applied by itself: it may repeat a stranger's words.
        self.env["l10n_vn_ibhxh.mail"].browse(mail_id).with_user(self.user).action_apply()
        self.env.invalidate_all()
        formula = step(2, "OK", f"=HYPERLINK(1) Mã xác nhận: {CODE}")
        told = xml(result="Đã tiếp nhận, chờ đơn vị xác nhận")
        registration.sudo()._apply_progress(progress("accepted", step(1), formula, notification=told))
        return registration


@tagged("post_install_l10n", "post_install", "-at_install")
class TestProof(ProofCommon):
    def _open(self, registration):
        with registration._proof_archive() as file:
            content = file.read()
        archive = zipfile.ZipFile(io.BytesIO(content))
        self.assertIsNone(archive.testzip())
        return archive, content

    def test_every_hash_and_size_fits(self):
        registration = self._whole_life()
        self.assertEqual(registration.state, "to_activate")
        archive, _content = self._open(registration)
        manifest = json.loads(archive.read("manifest.json"))
        self.assertEqual(manifest["client_reference"], registration.client_reference)
        names = [entry["name"] for entry in manifest["entries"]]
        self.assertEqual(sorted([*names, "manifest.json"]), sorted(archive.namelist()))
        for entry in manifest["entries"]:
            content = archive.read(entry["name"])
            self.assertEqual(entry["size"], len(content), entry["name"])
            self.assertEqual(entry["sha256"], hashlib.sha256(content).hexdigest(), entry["name"])

    def test_what_was_sent_is_inside_byte_for_byte(self):
        registration = self._whole_life()
        archive, _content = self._open(registration)
        [sent] = self.gateway.accepted[registration.client_reference]
        self.assertEqual(archive.read("dossier/signed/04_DK-IVAN.xml"), sent.document)
        self.assertEqual(archive.read("dossier/unsigned/04_DK-IVAN.xml"), base64.b64decode(registration.document))
        self.assertEqual(archive.read("dossier/04_DK-IVAN.pdf"), base64.b64decode(registration.printed_form))
        self.assertEqual(archive.read("certificate.der"), self.der)
        self.assertEqual(json.loads(archive.read("receipt.json")), {"state": "received", "số": "1"})
        [notification] = [name for name in archive.namelist() if name.startswith("notifications/")]
        told = xml(result="Đã tiếp nhận, chờ đơn vị xác nhận")
        self.assertEqual(archive.read(notification), told)
        [listed] = json.loads(archive.read("notifications.json"))
        self.assertEqual(listed["sha256"], hashlib.sha256(told).hexdigest())
        self.assertEqual((listed["source"], listed["signature_state"]), ("gateway", "none"))

    def test_who_asked_who_signed_on_which_computer(self):
        registration = self._register()
        request = registration.sudo().signing_request_id
        self._claim()
        request._refuse(self.agent, "pin_cancelled", "")
        registration.action_request_signature()
        self._sign(registration)
        archive, _content = self._open(registration)
        failed, signed = json.loads(archive.read("signing.json"))
        self.assertEqual((failed["state"], failed["error"]), ("failed", "pin_cancelled"))
        self.assertEqual(signed["asked_by"]["login"], "ketoan")
        self.assertEqual(signed["signed_by"]["login"], "ketoan")
        self.assertEqual(signed["computer"], "PC-KETOAN")
        self.assertEqual(signed["signed_at"], "2026-03-02T03:04:05Z")
        self.assertEqual(signed["certificate"]["fingerprint_sha256"], self.certificate.fingerprint)
        self.assertEqual(signed["certificate"]["serial"], self.certificate.serial)
        self.assertEqual(signed["signed_document"]["signature"], "valid")

    def test_history_and_steps(self):
        archive, _content = self._open(self._whole_life())
        history = json.loads(archive.read("history.json"))
        states = [line["new"] for line in history if line["field"] == "state"]
        self.assertEqual(states[-1], "To activate")
        self.assertTrue(all(line["at"].endswith("Z") for line in history))
        steps = json.loads(archive.read("steps.json"))
        self.assertEqual([line["date"] for line in steps], ["2026-03-02T03:01:00Z", "2026-03-02T03:02:00Z"])
        rows = list(csv.DictReader(io.StringIO(archive.read("steps.csv").decode("utf-8-sig"))))
        self.assertEqual(rows[0]["description"], "Thành công")
        self.assertTrue(rows[1]["description"].startswith("'="))

    def test_f5_no_mail_spoils_the_archive(self):
        """A header that no text can hold made the download answer 500 for ever; 20 000 of them kept a worker busy."""
        registration = self._whole_life()
        hostile = "Received: =?unicode_escape?Q?=5Cud800?=\n" * 20_000
        source = f"{hostile}{MAIL}".encode()
        registration.sudo().mail_ids[:1].source = base64.b64encode(source)
        archive, _content = self._open(registration)
        texts = [archive.read(name).decode() for name in archive.namelist() if name.startswith("mails/")]
        self.assertIn("Received", texts[0])
        self.assertEqual(len(json.loads(texts[0])["headers"]), 200)
        self.assertNotIn(CODE, str(texts))

    def test_headers_show_where_a_mail_came_from(self):
        archive, _content = self._open(self._whole_life())
        [name] = [name for name in archive.namelist() if name.startswith("mails/")]
        mail = json.loads(archive.read(name))
        self.assertEqual(mail["source_sha256"], self.env["l10n_vn_ibhxh.mail"].browse(int(name[6:-5])).source_sha256)
        headers = dict(mail["headers"])
        self.assertIn("no-reply@vss.gov.vn", headers["From"])
        self.assertIn("mx.example.com", headers["Received"])
        self.assertNotIn("X-Code", headers)

    def test_no_code_and_no_link_anywhere(self):
        registration = self._whole_life()
        self.assertEqual(registration.activation_code, CODE)
        archive, _content = self._open(registration)
        hidden = (CODE.encode(), HEX.encode(), base64.b64encode(CODE.encode()), SUBJECT.encode(), b"kich-hoat")
        for name in archive.namelist():
            if name.endswith(".pdf"):
                continue
            content = archive.read(name)
            for secret in hidden:
                self.assertNotIn(secret, content, name)

    def test_same_data_same_bytes(self):
        registration = self._whole_life()
        _archive, first = self._open(registration)
        with self._later(days=40):
            _archive, second = self._open(registration.with_context(tz="Asia/Tokyo", lang="vi_VN"))
        self.assertEqual(hashlib.sha256(first).hexdigest(), hashlib.sha256(second).hexdigest())

    def test_draft_has_an_archive_too(self):
        registration = self._register()
        registration.action_withdraw()
        archive, _content = self._open(registration)
        self.assertIn("registration.json", archive.namelist())
        self.assertNotIn("dossier/signed/04_DK-IVAN.xml", archive.namelist())

    def test_other_companies_get_nothing(self):
        registration = self._register()
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        with self.assertRaises(AccessError):
            registration.with_user(stranger)._proof_archive()
        with self.assertRaises(AccessError):
            registration.with_user(stranger).action_download_proof()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestProofDownload(ProofCommon, PatientHttpCase):
    frozen_at = None

    def test_download(self):
        registration = self._sent()
        self.user.password = "ketoan-mat-khau"
        self.authenticate("ketoan", "ketoan-mat-khau")
        url = registration.action_download_proof()["url"]
        response = self.url_open(url)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.headers["Content-Type"], "application/zip")
        self.assertIn(f"{registration.name.replace('/', '_')}_04.zip", response.headers["Content-Disposition"])
        archive = zipfile.ZipFile(io.BytesIO(response.content))
        self.assertIn("manifest.json", archive.namelist())

    def test_j_the_print_among_the_attachments_is_the_kept_one(self):
        registration = self._sent()
        self._run("print")
        [file] = self.env["ir.attachment"].search(
            [("res_model", "=", registration._name), ("res_id", "=", registration.id)]
        )
        self.user.password = "ketoan-mat-khau"
        self.authenticate("ketoan", "ketoan-mat-khau")
        response = self.url_open(f"/web/content/{file.id}")
        self.assertEqual(response.headers["Content-Type"], "application/pdf")
        self.assertEqual(response.content, base64.b64decode(registration.printed_form))

    def test_strangers_and_the_unknown_get_404(self):
        registration = self._sent()
        other = self.env["res.company"].create({"name": "Khác"})
        new_test_user(
            self.env,
            login="nguoila",
            password="nguoila-mat-khau",
            groups="base.group_user,l10n_vn_ibhxh.group_l10n_vn_ibhxh_user",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        url = registration.action_download_proof()["url"]
        self.authenticate("nguoila", "nguoila-mat-khau")
        self.assertEqual(self.url_open(url).status_code, 404)
        self.assertEqual(self.url_open(url.replace(str(registration.id), "999999")).status_code, 404)

    def test_s27_nobody_erases_or_forges_the_history(self):
        registration = self._sent()
        before = registration.sudo()._proof_history()
        states = [(line["old"], line["new"]) for line in before if line["field"] == "state"]
        self.assertEqual(states[0], (None, "Draft"))
        self.assertEqual(states[-1], ("Signed", "Sent"))
        manager = self._new_user("manager27", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        lines = self.env["l10n_vn_ibhxh.registration.log"].search([("registration_id", "=", registration.id)])
        forged = {
            "registration_id": registration.id,
            "company_id": self.company.id,
            "changed_at": "2026-03-01 00:00:00",
            "field": "state",
            "new": "Confirmed",
        }
        for user in (self.user, manager, self.env.ref("base.user_admin")):
            own = lines.with_user(user)
            for door in (
                lambda own=own: own.unlink(),
                lambda own=own: own.write({"new": "x"}),
                lambda own=own: own.create(forged),
            ):
                with self.assertRaises(AccessError):
                    door()
        # The chatter may be emptied and filled; it is no longer what the proof shows.
        registration.sudo().message_ids.unlink()
        self.env["mail.message"].with_user(self.user).create(
            {"model": registration._name, "res_id": registration.id, "body": "x", "message_type": "comment"}
        )
        self.env.invalidate_all()
        self.assertEqual(registration.sudo()._proof_history(), before)

    def test_migration_takes_over_what_the_chatter_tracked(self):
        registration = self._sent()
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM l10n_vn_ibhxh_registration_log")
        script = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0" / "post-access-history.py"
        for _time in range(2):
            runpy.run_path(str(script))["migrate"](self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        history = registration.sudo()._proof_history()
        states = [line["new"] for line in history if line["field"] == "state"]
        self.assertEqual(states[-1:], ["Sent"])
        self.assertEqual({line["source"] for line in history}, {"chatter"})
