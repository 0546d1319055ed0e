import base64
import json
from contextlib import contextmanager
from unittest.mock import patch

from odoo.tests import Form, tagged

from ..models.const import REMOTE_LOOPBACK
from ..tools import certificate, dossier, signature, vss_mail
from .common import EMAIL
from .companies import ManyRows, tax_code
from .samples import signing

WIZARD = "l10n_vn_ibhxh.registration.wizard"
REGISTRATION = "l10n_vn_ibhxh.registration"
BATCH, LINE = "l10n_vn_ibhxh.batch", "l10n_vn_ibhxh.batch.line"
# Statements that one company more costs in a batch, by step.
MOST_FOR_ONE_MORE = {"prepared": 1, "signed": 1, "sent": 2}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestQueries(ManyRows):
    """Opening a page costs as many SQL queries for many rows as for few, and not many.

    A list opens with two calls of the page, its views and its rows, whatever it holds; what is counted here is the
    second one. The wizard opens with its views and one onchange.
    """

    MOST_FOR_LIST = 9
    MOST_FOR_OVERVIEW = 5
    MOST_FOR_SUMMARY = 45
    MOST_FOR_WIZARD = 21
    MOST_FOR_BATCH = 18

    @contextmanager
    def _counted(self, counts):
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        yield
        self.env.flush_all()
        counts.append(self.env.cr.sql_log_count - before)

    def _read(self, env, model, view, domain):
        """Read rows as the web client does: everything the columns of the list `view` need, in one call."""
        shown = env[model].get_view(self.env.ref(f"l10n_vn_ibhxh.{view}").id, "list")["models"][model]
        spec = {
            name: {"fields": {"display_name": {}}} if env[model]._fields[name].comodel_name else {} for name in shown
        }
        return lambda: env[model].web_search_read(domain, spec, limit=1000)["records"]

    def _read_few_at_once(self, count):
        """Let hundreds be as many beside what Odoo reads at once, usually 1 000, as thousands are."""
        for module in ("fields", "models"):
            self.startPatcher(patch(f"odoo.orm.{module}.PREFETCH_MAX", count))

    def _assert_constant(self, counts, most):
        few, many = counts
        self.assertLessEqual(many, few, "as many queries for many rows as for few")
        self.assertLessEqual(few, most)

    def test_list_of_80_registrations(self):
        counts = []
        companies = self._new_companies(80)
        registrations = self._new_registrations(companies)
        for some in (registrations[:8], registrations):
            env = self._as_user(some.company_id)
            read = self._read(env, REGISTRATION, "l10n_vn_ibhxh_registration_view_list", [("id", "in", some.ids)])
            read()
            with self._counted(counts):
                self.assertEqual(len(read()), len(some))
        self._assert_constant(counts, self.MOST_FOR_LIST)

    def test_overview_of_500_companies(self):
        counts = []
        companies = self._new_companies(500)
        self._new_registrations(companies[:250])
        for some in (companies[245:255], companies):
            env = self._as_user(some)
            domain = [("id", "in", some.ids)]
            read = self._read(env, "res.company", "res_company_view_list_l10n_vn_ibhxh_overview", domain)
            read()
            with self._counted(counts):
                rows = read()
            self.assertEqual({row["l10n_vn_ibhxh_next_action"] for row in rows}, {"register", "activate"})
        self._assert_constant(counts, self.MOST_FOR_OVERVIEW)

    def test_wizard_for_a_user_of_500_companies(self):
        counts = []
        for first, count in ((0, 10), (10, 490)):
            self._new_companies(count, first=first)
            env = self._as_user(self.user.company_ids)
            Form(env[WIZARD].with_company(self.company))
            with self._counted(counts):
                form = Form(env[WIZARD].with_company(self.company))
            self.assertEqual(form.certificate_id, self.certificate)
        self._assert_constant(counts, self.MOST_FOR_WIZARD)

    def test_summary_of_a_batch(self):
        counts = []
        companies = self._new_companies(220)
        for some in (companies[:20], companies[20:]):
            env = self._as_user(some)
            with self._counted(counts):
                batch = env["l10n_vn_ibhxh.batch"]._from_companies(some)
            self.assertEqual(batch.blocked_count, len(some), "no token is plugged in")
            with self._counted([]):
                batch.web_read({"blocked_count": {}, "progress": {}, "line_ids": {"fields": {"problem": {}}}})
        few, many = counts
        # Rows are written in portions, so some hundreds take a few queries more than some tens.
        self.assertLessEqual(many, few + 8)
        self.assertLessEqual(few, self.MOST_FOR_SUMMARY)

    def test_j_summary_of_companies_with_an_old_and_a_new_certificate_each(self):
        """Which one each signs with is found for all of them together."""
        counts = []
        companies = self._new_companies(40)
        start, end = self.certificate.not_before, self.certificate.not_after
        ders = [
            self._new_certificate(
                uids=(f"MST:{company.vat}",), serial=serial * 10_000 + company.id, not_before=start, not_after=end
            )
            for company in companies
            for serial in (1, 2)
        ]
        self._plug_in(self.agent, *ders)
        for some in (companies[:10], companies):
            env = self._as_user(some)
            with self._counted(counts):
                batch = env[BATCH]._from_companies(some)
            self.assertEqual((batch.ready_count, len(batch.line_ids.certificate_id)), (len(some), len(some)))
        few, many = counts
        self.assertLessEqual(many, few + 8)
        self.assertLessEqual(few, self.MOST_FOR_SUMMARY)

    def test_j_page_of_a_batch_with_many_lines(self):
        """Waiting for the phone, which is counted for its page: no further statement, and of a further line its id."""
        counts, sizes = [], []
        self._read_few_at_once(40)
        account = self._phone_account()
        companies = self._new_companies(200)
        registrations = self._new_registrations(companies)
        self._put_on_phone(registrations, account)
        for some in (registrations[:40], registrations):
            env = self._as_user(some.company_id)
            batch = env[BATCH].sudo().create({"user_id": self.user.id, "state": "started"}).sudo(False)
            lines = [
                {"batch_id": batch.id, "company_id": registration.company_id.id, "registration_id": registration.id}
                for registration in some
            ]
            env[LINE].sudo().create(lines)
            view = env[BATCH].get_view(self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_batch_view_form").id, "form")
            spec = {name: {} for name in view["models"][BATCH]}
            spec["line_ids"] = {"fields": {name: {} for name in view["models"][LINE]}, "limit": 40}
            for name in ("provider_id", "agency_id", "user_id"):
                spec[name] = {"fields": {"display_name": {}}}
            for name in ("company_id", "certificate_id"):
                spec["line_ids"]["fields"][name] = {"fields": {"display_name": {}}}
            batch.web_read(spec)
            with self._counted(counts):
                [page] = batch.web_read(spec)
            self.assertEqual((page["to_sign_count"], page["to_phone_count"]), (len(some), len(some)))
            self.assertEqual(page["line_ids"][0]["short_code"], "1234 5678")
            self.assertEqual(len(page["line_ids"]), len(some))
            sizes.append(len(json.dumps(page, default=str)))
        self._assert_constant(counts, self.MOST_FOR_BATCH)
        self.assertLessEqual((sizes[1] - sizes[0]) / 160, 20, "bytes of one more line")

    def _phone_account(self):
        self.env["ir.config_parameter"].set_param(REMOTE_LOOPBACK, "True")
        service = self.env["l10n_vn_ibhxh.remote.service"].create(
            {
                "name": "SmartCA thử",
                "adapter": "smartca",
                "profile": "vnpt",
                "url": "http://127.0.0.1:9/vnpt",
                "client_id": "x",
                "client_secret_input": "x",
                "company_id": False,
            }
        )
        values = {"service_id": service.id, "identity": "001085012345", "user_id": self.user.id}
        return self.env["l10n_vn_ibhxh.remote.account"].create(values)

    def _put_on_phone(self, registrations, account):
        """Let each of them wait for a signature that is prepared for the phone, without the way there."""
        document = dossier.build("04", self._register()._prepare_dossier_data())
        requests = self.env["l10n_vn_ibhxh.signing.request"].create(
            [
                {
                    "title": registration.name,
                    "res_model": registration._name,
                    "res_id": registration.id,
                    "company_id": registration.company_id.id,
                    "certificate_id": self.certificate.id,
                    "user_id": self.user.id,
                    "document": base64.b64encode(document),
                    "sha256": "0" * 64,
                    "remote_account_id": account.id,
                    "short_code": "1234 5678",
                }
                for registration in registrations
            ]
        )
        for registration, request in zip(registrations.sudo(), requests, strict=True):
            registration.write({"state": "to_sign", "signing_request_id": request.id})

    def test_computers_of_the_wizard(self):
        counts = []
        agents = self.env["l10n_vn_ibhxh.agent"]
        companies = self._new_companies(4)
        for some in (companies[:1], companies):
            self._plug_in_tokens(some)
            self.assertEqual(some.mapped("vat"), [tax_code(index) for index in range(len(some))])
            env = self._as_user(self.company | companies)
            with self._counted(counts):
                live = env[agents._name].get_live(self.company.id)
            self.assertGreaterEqual(len(live["computers"][0]["certificates"]), len(some))
        self._assert_constant(counts, 20)

    def test_j_a_batch_is_registered_signed_and_sent_together(self):
        """What a company more costs, each in the whole: rows of its own, and no statement for looking things up. The
        certificate and the form's schema are read once, and open pages hear of all companies together."""
        counts = {"prepared": [], "signed": [], "sent": []}
        messages = []
        certificate._read.cache_clear()
        signature._loaded.cache_clear()
        dossier._schema.cache_clear()
        companies = self._new_companies(50)
        codes = tuple(f"MST:{company.vat}" for company in companies)
        der = self._new_certificate(
            uids=codes, not_before=self.certificate.not_before, not_after=self.certificate.not_after
        )
        self._plug_in(self.agent, der)
        for some in (companies[:10], companies[10:]):
            batch = self._as_user(some)["l10n_vn_ibhxh.batch"]._from_companies(some)
            self._messages()
            with self._counted(counts["prepared"]):
                batch.action_register()
            registrations = batch.line_ids.registration_id
            self.assertEqual(registrations.mapped("state"), ["to_sign"] * len(some))
            self.assertEqual(len(set(registrations.mapped("name"))), len(some))
            for registration in registrations:
                self.assertEqual(len(registration.message_ids), 1, "the move is all that there is to say")
            requests = self._claim_all(der)
            signed = {request: signing.sign(base64.b64decode(request.document), der) for request in requests}
            with self._counted(counts["signed"]):
                outcomes = requests._deliver_all(self.agent, signed)
            self.assertEqual(set(outcomes.values()), {("signed", None)})
            with self._counted(counts["sent"]):
                self._send()
            self.assertEqual(set(registrations.mapped("state")), {"sent"})
            messages.append(self._messages())
        few, many = messages
        self.assertEqual(len(many), len(few), "messages on the bus, of 40 companies and of 10")
        self.assertLessEqual(max(map(len, many)), 1000, "bytes of a message")
        self.assertEqual(dossier._schema.cache_info().misses, 1)
        for cache in (certificate._read, signature._loaded):
            self.assertLessEqual(cache.cache_info().misses, 2, "that of the batch, and the one plugged in before")
        for step, most in MOST_FOR_ONE_MORE.items():
            few, many = counts[step]
            self.assertLessEqual((many - few) / 30, most, f"{step}: {few} for 10, {many} for 40")

    def test_j_states_and_ends_of_500_companies_are_worked_out_together(self):
        companies = self._new_companies(500)
        pattern = self._new_registrations(companies[:1])
        self.env.flush_all()
        self.env.cr.execute(
            """INSERT INTO l10n_vn_ibhxh_registration
               SELECT (jsonb_populate_record(original, jsonb_build_object(
                          'id', original.id + n, 'company_id', company, 'client_reference', gen_random_uuid()::text
                      ))).*
                 FROM l10n_vn_ibhxh_registration original, unnest(%s) WITH ORDINALITY made(company, n)
                WHERE original.id = %s""",
            [companies[1:].ids, pattern.id],
        )
        self.env.cr.execute("SELECT setval('l10n_vn_ibhxh_registration_id_seq', %s)", [pattern.id + 500])
        registrations = self.env[REGISTRATION].browse(range(pattern.id, pattern.id + 500))
        counts = {"state": [], "end": []}
        for some in (slice(0, 50), slice(50, 500)):
            with self._counted(counts["state"]):
                companies[some].sudo()._l10n_vn_ibhxh_update_state()
            self.assertEqual(set(companies[some].mapped("l10n_vn_ibhxh_state")), {"to_activate"})
            with self._counted(counts["end"]):
                registrations[some].sudo()._expire()
            self.assertEqual(set(companies[some].mapped("l10n_vn_ibhxh_state")), {"expired"})
            self.assertEqual(len(registrations[some].activity_ids), len(registrations[some]))
        for step, (few, many) in counts.items():
            self.assertLessEqual((many - few) / 400, 0.2, f"{step}: {few} for 50, {many} for 450")

    def _messages(self):
        """Return what was said over the bus since the last time."""
        self.env.cr.precommit.run()
        messages = self.env["bus.bus"].sudo().search([])
        texts = messages.mapped("message")
        messages.unlink()
        return texts

    def _claim_all(self, der):
        requests = self.env["l10n_vn_ibhxh.signing.request"].sudo()
        return requests._claim(self.agent, [self._plug_in(self.agent, der).fingerprint], 500)

    def test_j_a_mail_is_judged_beside_those_that_it_can_fit_only(self):
        """A firm's address is on all its registrations; a mail that names a tax code is about one of that code."""
        companies = self._new_companies(40)
        registrations = self._new_registrations(companies).sudo()
        for registration in registrations:
            registration.write({"email": EMAIL, "tax_code": registration.company_id.l10n_vn_ibhxh_tax_code})
        mail = (
            f"From: noreply@baohiemxahoi.gov.vn\nTo: {EMAIL}\nSubject: Mã kích hoạt giao dịch điện tử BHXH\n"
            "Content-Type: text/plain; charset=utf-8\n\n{text}Mã kích hoạt: AB12CD34EF\n"
        )
        mails = self.env["l10n_vn_ibhxh.mail"]
        by_code = vss_mail.read(mail.replace("{text}", f"Mã số thuế: {companies[7].vat}\n").encode())
        self.assertEqual([*by_code.tax_codes], [companies[7].vat])
        self.assertEqual(mails._candidates(by_code), registrations[7])
        self.assertEqual(mails._match(by_code)[0], registrations[7])
        registrations[:30].write({"dossier_number": "00001/2026/001"})
        by_number = vss_mail.read(mail.replace("{text}", "Hồ sơ 03706/2026/001 đã được tiếp nhận.\n").encode())
        self.assertEqual(set(mails._candidates(by_number)), set(registrations[30:]), "those without a number yet")
        by_name = vss_mail.read(mail.replace("{text}", f"Kính gửi {companies[7].name}.\n").encode())
        self.assertEqual(set(mails._candidates(by_name)), set(registrations), "nothing is lost where only names tell")
