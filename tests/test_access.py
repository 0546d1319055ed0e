"""Who may do what to each model, and what anybody can do by calling its methods: enumerated, not remembered."""

import base64

from cryptography.hazmat.primitives.serialization import Encoding
from odoo.exceptions import AccessError, UserError
from odoo.service.model import call_kw
from odoo.tests import tagged
from odoo.tools import SQL

from .common import NOW, IbhxhCommon
from .samples import pki

OPERATIONS = {"r": "read", "w": "write", "c": "create", "u": "unlink"}
# model: what each role may do with the record of `_samples`. r w c u are Odoo's operations, s is finding it by search.
# plain: an employee without our groups. stranger: our user group, another company. user, manager: of the company.
# shared: a manager who has all companies. What is another one's or nobody's company's is his like the manager's.
ACCESS = {
    "agency": {"stranger": "rs", "user": "rs", "manager": "rs", "shared": "rwcus"},
    "agent": {"user": "rws", "manager": "rwus"},
    "agent.pairing": {"user": "rcs"},
    "agent.release": {"stranger": "rs", "user": "rs", "manager": "rs", "shared": "rwcus"},
    "batch": {"user": "rws", "manager": "rws"},
    "batch.line": {"user": "rs", "manager": "rs"},
    "certificate": {"user": "rs", "manager": "rs"},
    "earlier.registration": {},
    "form": {"stranger": "rs", "user": "rs", "manager": "rs", "shared": "rwcus"},
    "lodge": {"user": "rwcus"},
    "lodge.answer": {"user": "rwcus"},
    "mail": {"user": "rws", "manager": "rwus"},
    "mail.attempt": {},
    "mail.paste": {"user": "rwcus"},
    "mail.test": {},
    "notification": {"user": "rs", "manager": "rs"},
    "notification.upload": {"user": "rwcus"},
    "provider": {"user": "rs", "manager": "rwcus"},
    "registration": {"user": "rwcus", "manager": "rwcus"},
    "registration.log": {"user": "rs", "manager": "rs"},
    "registration.step": {"user": "rs", "manager": "rs"},
    "registration.wizard": {"user": "rwcus", "manager": "rwcus"},
    "remote.account": {"user": "rwcs", "manager": "rwcus"},
    "remote.service": {"user": "rs", "manager": "rwcus"},
    "result.code": {"stranger": "rs", "user": "rs", "manager": "rs", "shared": "rwcus"},
    "result.delivery": {"stranger": "rs", "user": "rs", "manager": "rs", "shared": "rwcus"},
    "signing.request": {"user": "rs", "manager": "rs"},
    "trusted.root": {"manager": "rs", "shared": "rwcus"},
}


class AccessCommon(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_"
        cls.other_company = cls.env["res.company"].create({"name": "Công ty khác", "vat": "0312345678"})
        cls.roles = {
            "plain": cls._new_user("plain", "", cls.company),
            "stranger": cls._new_user("stranger", f"{group}user", cls.other_company),
            "user": cls.user,
            "manager": cls._new_user("manager", f"{group}manager", cls.company),
            "portal": cls.env["res.users"].create(
                {"name": "Portal", "login": "portal", "group_ids": [(6, 0, cls.env.ref("base.group_portal").ids)]}
            ),
        }
        cls.third_company = cls.env["res.company"].create({"name": "Công ty thứ ba"})
        cls.roles["shared"] = cls._new_user("shared", f"{group}manager", cls.env["res.company"].search([]))
        cls.provider.company_id = cls.company

    def _own_models(self):
        """The models of the addon that have a table."""
        return {
            name.removeprefix("l10n_vn_ibhxh.")
            for name, model in self.env.items()
            if name.startswith("l10n_vn_ibhxh.") and not model._abstract
        }

    def _samples(self):
        """One record of each model, of the company and made by its user where a person makes it."""
        registration = self._sent()
        values = {
            "agent.pairing": {"user_id": self.user.id},
            "agent.release": {"file": "TVo=", "version": "1.0", "platform": "windows-x86_64"},
            "batch": {"user_id": self.user.id, "line_ids": [(0, 0, {"company_id": self.company.id})]},
            "earlier.registration": {"company_ids": self.company.ids, "provider_id": self.provider.id},
            "lodge": {"registration_id": registration.id},
            "lodge.answer": {"registration_id": registration.id},
            "mail": {"subject": "x", "registration_id": registration.id},
            "mail.attempt": {"sha256": "0" * 64, "count": 1, "began_at": NOW},
            "mail.paste": {"registration_id": registration.id, "text": "x"},
            "mail.test": {},
            "notification": {
                "name": "x",
                "registration_id": registration.id,
                "content": b"eA==",
                "sha256": "0" * 64,
                "source": "upload",
                "received_at": NOW,
                "verdict": "unclear",
                "signature_state": "none",
            },
            "notification.upload": {"registration_id": registration.id, "file": b"eA=="},
            "registration.step": {"registration_id": registration.id, "number": 9},
            "registration.wizard": {"company_id": self.company.id},
        }
        made = {
            "agency": self.agency,
            "agent": self.agent,
            "certificate": self.certificate,
            "form": self.env["l10n_vn_ibhxh.form"].search([], limit=1),
            "provider": self.provider,
            "registration": registration.sudo(),
            "result.code": self.env["l10n_vn_ibhxh.result.code"].search([], limit=1),
            "remote.service": self.env["l10n_vn_ibhxh.remote.service"].create(
                {"name": "SmartCA", "company_id": self.company.id, "url": "https://sca.example/sp769"}
            ),
            "result.delivery": self.env["l10n_vn_ibhxh.result.delivery"].search([], limit=1),
            "signing.request": registration.sudo().signing_request_id,
            "trusted.root": self.env["l10n_vn_ibhxh.trusted.root"].create({"file": self._root()}),
        }
        values["remote.account"] = {"service_id": made["remote.service"].id, "identity": "001085012345"}
        for name, vals in values.items():
            made[name] = self.env[f"l10n_vn_ibhxh.{name}"].with_user(self.user).sudo().create(vals)
        made["registration.log"] = self.env["l10n_vn_ibhxh.registration.log"].search([], limit=1)
        made["batch.line"] = made["batch"].line_ids
        self.env.flush_all()
        return {name: record.sudo(False) for name, record in made.items()}

    @classmethod
    def _root(cls, name="root"):
        cls._frozen.stop()
        try:
            return base64.b64encode(pki.issue(name, name, is_ca=True).public_bytes(Encoding.DER))
        finally:
            cls._frozen.start()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAccess(AccessCommon):
    def test_every_model_role_and_operation(self):
        """What is not in the table is denied, and a model that is not in the table fails the test."""
        samples = self._samples()
        self.assertEqual(self._own_models(), set(ACCESS))
        self.assertEqual(set(samples), set(ACCESS))
        found = {}
        for model, record in samples.items():
            for role, user in self.roles.items():
                own = record.with_user(user)
                allowed = "".join(letter for letter, name in OPERATIONS.items() if own.has_access(name))
                try:
                    allowed += "s" if own.search([("id", "=", record.id)]) else ""
                except AccessError:
                    self.assertNotIn("r", allowed)
                if allowed:
                    found.setdefault(model, {})[role] = allowed
        self.maxDiff = None
        expected = {
            model: {"shared": table["manager"], **table} if "manager" in table else table
            for model, table in ACCESS.items()
            if table
        }
        self.assertEqual(found, expected)


# Calls of public methods that do not end in an AccessError for everybody outside, and why they harm nobody.
# Each is called all the same: it must change nothing and must not give away anything of the company.
HARMLESS = {
    ("l10n_vn_ibhxh.agent.release", "get_downloads"): "the program that every employee may download",
    ("l10n_vn_ibhxh.agent.pairing", "action_new_code"): "asks for the password first, and is for the caller only",
    ("l10n_vn_ibhxh.registration", "action_open_mails"): "a window without content; what it lists is behind the rules",
    ("res.company", "action_l10n_vn_ibhxh_next"): "a window without content, of a company that the caller may read",
}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPublicMethods(AccessCommon):
    OUTSIDERS = ("portal", "plain", "stranger")

    def _public_methods(self):
        """`(model, method)` of every method of ours that RPC can reach, on whatever model it sits."""
        return {
            (name, attribute)
            for name, model in self.env.items()
            for part in type(model).mro()
            if part.__module__.startswith("odoo.addons.l10n_vn_ibhxh.") and not model._abstract
            # Core's own methods with one more check: see tests/test_protected.py and tests/test_security.py.
            if not part.__module__.endswith((".l10n_vn_ibhxh_protected", ".l10n_vn_ibhxh_shared"))
            for attribute, value in vars(part).items()
            if callable(value) and not attribute.startswith("_") and not getattr(value, "_api_private", False)
        }

    def _arguments(self, samples):
        """What each method is called with; `(model, method) -> (args)`, the default being the sample record."""
        company = self.company.id
        mail = {"subject": "x", "from": "x@example.com", "body": "BV2VLHCKRA", "message_id": "<1@x>"}
        given = {
            ("l10n_vn_ibhxh.agent", "get_live"): [company],
            ("l10n_vn_ibhxh.agent.release", "create"): [[{"file": "TVo=", "version": "2.0"}]],
            ("l10n_vn_ibhxh.agent.release", "get_downloads"): [],
            ("l10n_vn_ibhxh.agent.release", "write"): [samples["agent.release"].ids, {"active": False}],
            ("l10n_vn_ibhxh.agent", "write"): [samples["agent"].ids, {"name": "x"}],
            ("l10n_vn_ibhxh.batch", "action_from_companies"): [[company]],
            ("l10n_vn_ibhxh.batch", "write"): [samples["batch"].ids, {"provider_id": self.provider.id}],
            ("l10n_vn_ibhxh.mail", "message_new"): [mail],
            ("l10n_vn_ibhxh.mail", "message_update"): [samples["mail"].ids, mail],
            ("l10n_vn_ibhxh.mail", "write"): [samples["mail"].ids, {"registration_id": False}],
            ("l10n_vn_ibhxh.mail.test", "default_get"): [["text"]],
            ("l10n_vn_ibhxh.provider", "create"): [[{"code": "1", "name": "x"}]],
            ("l10n_vn_ibhxh.provider", "write"): [samples["provider"].ids, {"url": "https://x.example"}],
            ("l10n_vn_ibhxh.registration", "message_new"): [mail],
            ("l10n_vn_ibhxh.registration", "message_update"): [samples["registration"].ids, mail],
            ("res.config.settings", "action_l10n_vn_ibhxh_verify_senders"): [[]],
            ("l10n_vn_ibhxh.registration", "create"): [[{"company_id": self.third_company.id}]],
            ("l10n_vn_ibhxh.registration", "write"): [samples["registration"].ids, {"email": "x@example.com"}],
            ("l10n_vn_ibhxh.remote.account", "write"): [samples["remote.account"].ids, {"identity": "001085054321"}],
            ("l10n_vn_ibhxh.remote.service", "write"): [samples["remote.service"].ids, {"url": "https://x.example"}],
            ("l10n_vn_ibhxh.trusted.root", "create"): [[{"file": "eA=="}]],
            ("l10n_vn_ibhxh.trusted.root", "write"): [samples["trusted.root"].ids, {"active": False}],
            ("res.company", "create"): [[{"name": "x"}]],
            ("res.company", "write"): [[company], {"l10n_vn_ibhxh_state": "confirmed"}],
            ("res.company", "action_l10n_vn_ibhxh_next"): [[company]],
            ("res.company", "action_l10n_vn_ibhxh_forget_earlier"): [[company]],
            ("res.config.settings", "set_values"): [[]],
            ("res.partner", "create"): [[{"name": "x", "parent_id": self.company.partner_id.id, "vat": "0312345678"}]],
            ("res.partner", "write"): [self.company.partner_id.ids, {"vat": "0312345678"}],
            ("res.users", "write"): [[self.user.id], {"company_ids": [(4, self.other_company.id)]}],
        }
        for model, method in self._public_methods() - given.keys():
            given[model, method] = [samples[model.removeprefix("l10n_vn_ibhxh.")].ids]
        return given

    def _snapshot(self):
        """A digest of all rows of our tables, the companies and the parameters."""
        self.env.flush_all()
        tables = [self.env[f"l10n_vn_ibhxh.{name}"]._table for name in sorted(self._own_models())]
        result = {}
        for table in [*tables, "res_company", "ir_config_parameter"]:
            query = SQL("SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM %s t", SQL.identifier(table))
            result[table] = self.env.execute_query(query)[0][0]
        return result

    def _result_of(self, model, method, arguments, user):
        """Call a method as `user`, take back what it did, and return what came of it."""
        environment = self.env(user=user)
        try:
            with self.env.cr.savepoint():
                answer = call_kw(environment[model], method, list(arguments), {})
                environment.flush_all()
                raise _Undone(repr(answer))
        except AccessError:
            return "denied"
        except UserError as error:
            return f"refused: {error}"
        except _Undone as undone:
            return f"answered {undone}"
        finally:
            self.env.invalidate_all()

    def test_outsiders_get_nowhere(self):
        samples = self._samples()
        samples["registration"].sudo()._activate("BV2VLHCKRA", False, samples["registration"].submitted_at)
        before = self._snapshot()
        for (model, method), arguments in sorted(self._arguments(samples).items()):
            harmless = HARMLESS.get((model, method))
            for role in self.OUTSIDERS:
                with self.subTest(model=model, method=method, role=role):
                    outcome = self._result_of(model, method, arguments, self.roles[role])
                    if outcome != "denied":
                        self.assertTrue(harmless, f"{outcome}: deny it, or name why it is harmless")
                        for secret in ("BV2VLHCKRA", self.company.vat, self.company.email):
                            self.assertNotIn(secret, outcome)
                    self.assertEqual(self._snapshot(), before)


class _Undone(Exception):
    """Takes back what a call has done."""
