"""Who may give which field, through which door: the table is made of the models' own fields, not of memory."""

import base64
import functools

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import tagged
from psycopg2 import IntegrityError

from .test_access import AccessCommon

MAIL = b"""From: no-reply@vss.gov.vn
To: bhxh@example.com
Subject: x
Message-Id: <protected@example.com>

x
"""
# What people may give, at creation (c) or at any time (w). What is not here is given by nobody but the program: a field
# that a model lets people write, without being in this table, fails the test.
PERSON = {
    "agency": None,
    "agent": {"w": "name"},
    "agent.pairing": {"c": "code expires_at user_id"},
    "agent.release": {"w": "active document document_name file file_name platform version"},
    "batch": {"w": "agency_id email lodging phone provider_id"},
    "batch.line": {},
    "certificate": {},
    "earlier.registration": {"w": "certificate_id company_ids confirmed_on email phone provider_id unit_code"},
    "form": None,
    "lodge": {"w": "dossier_number found lodged_at registration_id"},
    "lodge.answer": {
        "w": "activation_code answer answered_at dossier_number error_code error_message registration_id unit_code"
    },
    "mail": {"w": "registration_id"},
    "mail.attempt": None,
    "mail.paste": {"w": "received_at registration_id text"},
    "mail.test": {
        "w": "amended_phrases code_words information_phrases refusal_phrases registered_phrases stopped_phrases text"
    },
    "notification": {},
    "notification.upload": {"w": "file file_name is_from_vss registration_id"},
    "provider": None,
    "registration": {
        "c": "company_id form",
        "w": "agency_id certificate_id change_text contact_name email lodging phone provider_id result_delivery_id "
        "stop_date stop_reason stop_reason_code subject_type unit_code user_id",
    },
    "registration.log": {},
    "registration.step": {},
    "registration.wizard": {
        "c": "corrects_id",
        "w": "agency_id certificate_file certificate_file_name certificate_id change_text company_id contact_name "
        "dossier_number email email_repeated form lodging phone provider_id result_delivery_id stop_date stop_reason "
        "stop_reason_code subject_type submitted_at target_provider_id then_certificate_id then_register unit_code",
    },
    "remote.account": {"w": "active identity service_id user_id"},
    "remote.service": None,
    "result.code": None,
    "result.delivery": None,
    "signing.request": {},
    "trusted.root": {"w": "active file file_name is_root"},
}
COMPANY_PERSON = {"l10n_vn_ibhxh_agency_id", "l10n_vn_ibhxh_provider_id", "l10n_vn_ibhxh_unit_code"}
CORE = {"id", "display_name", "create_uid", "create_date", "write_uid", "write_date"}
ROLES = ("user", "manager", "boss", "stranger", "plain", "portal")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestProtected(AccessCommon):
    """Doors × protected fields × roles."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.boss = cls._new_user("boss", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager,base.group_system", cls.company)
        cls.roles["boss"] = cls.boss

    def _models(self):
        """`(model, names that people may give at creation, … at any time)` of each model that has protected fields."""
        for name, table in PERSON.items():
            if table is not None:
                creation, always = (set(table.get(kind, "").split()) for kind in "cw")
                yield self.env[f"l10n_vn_ibhxh.{name}"], creation, always
        yield self.env["res.company"], set(), COMPANY_PERSON

    def _protected(self, model, *given):
        """The fields of ours on `model` that are not among those `given` by people."""
        return {
            name
            for name, field in model._fields.items()
            if "l10n_vn_ibhxh" in field._modules and name not in set().union(*given) and name not in CORE
        }

    def _planted(self, field):
        """A value that nobody but an attacker would choose, of the field's type."""
        model = self.env.get(field.comodel_name) if field.relational else None
        if field.relational:
            victim = self.victims.get(field.comodel_name) or model.sudo().search([], limit=1)
            return victim.id if field.type == "many2one" else [Command.link(victim.id)]
        return {
            "selection": lambda: (field.get_values(self.env) or ["x"])[-1],
            "boolean": lambda: True,
            "integer": lambda: 4711,
            "many2one_reference": lambda: 4711,
            "float": lambda: 47.11,
            "datetime": lambda: "2001-02-03 04:05:06",
            "date": lambda: "2001-02-03",
            "binary": lambda: base64.b64encode(b"planted").decode(),
            "json": lambda: {"planted": True},
            "html": lambda: "<p>planted</p>",
        }.get(field.type, lambda: "planted")()

    def _is_planted(self, record, name, value):
        """Whether `record` holds `value` in the field `name`, by the database."""
        field = record._fields[name]
        if not (field.store and (field.column_type or field.relational)):
            return False
        held = record.sudo().with_context(bin_size=False)[name]
        if field.type == "many2one":
            return held.id == value
        if field.relational:
            return value[0][1] in held.ids
        return field.convert_to_cache(held, record) == field.convert_to_cache(value, record)

    def _through(self, door, planted):
        """Go through a door and take back what it did: the names of the `planted` values that the record then holds,
        None when it was refused."""
        savepoint = self.env.cr.savepoint()
        try:
            record = door()
            self.env.flush_all()
            self.env.invalidate_all()
            return {name for name, value in planted.items() if self._is_planted(record, name, value)}
        except (AccessError, UserError, ValueError, IntegrityError):
            # ValueError: `load` and `message_process` report so.
            return None
        finally:
            savepoint.rollback()
            savepoint.close()
            self.env.invalidate_all()
            self.env.registry.clear_cache()

    def _minimal(self, model, samples):
        """What a person has to give for a record of `model`."""
        sample = samples.get(model._name.removeprefix("l10n_vn_ibhxh."))
        if model._name == "res.company":
            return {"name": "Công ty mới"}
        names = {
            "registration": ["company_id"],
            "agent.pairing": ["user_id"],
            "agent.release": ["file", "version", "platform"],
            "lodge": ["registration_id"],
            "lodge.answer": ["registration_id"],
            "mail.paste": ["registration_id", "text"],
            "remote.account": ["service_id"],
            "notification.upload": ["registration_id", "file"],
            "earlier.registration": ["company_ids", "provider_id"],
            "registration.wizard": ["company_id"],
        }.get(model._name.removeprefix("l10n_vn_ibhxh."), [])
        vals = (
            sample.sudo().with_context(bin_size=False)._convert_to_write({name: sample.sudo()[name] for name in names})
        )
        if model._name == "l10n_vn_ibhxh.registration":
            vals["company_id"] = self.third_company.id
        if model._name == "l10n_vn_ibhxh.remote.account":
            vals["identity"] = "001085054321"
        if model._name == "l10n_vn_ibhxh.trusted.root":
            vals["file"] = self._root("another root")
        return vals

    def _doors(self, own, record, name, value, minimal):
        """`(door, function)` that tries to give `value` to the field `name`; each returns the record it wrote."""
        existing = own.browse(record.id)
        yield "create", lambda: own.create({**minimal, name: value})
        yield "web_save new", lambda: own.browse(own.web_save({**minimal, name: value}, {"id": {}})[0]["id"])
        yield "write", lambda: existing.write({name: value}) and existing
        yield "web_save", lambda: existing.web_save({name: value}, {}) and existing
        yield "copy", lambda: existing.copy({name: value})
        if not isinstance(value, (list, dict, bool)):
            yield "load", lambda: self._loaded(own, {**minimal, name: value})

    def _silent_doors(self, own, record, minimal):
        """`(door, function)` of the ways to create a record that ask for defaults."""
        yield "create", lambda: own.create(dict(minimal))
        yield "web_save", lambda: own.browse(own.web_save(dict(minimal), {"id": {}})[0]["id"])
        yield "name_create", lambda: self._named(own)
        yield "copy", lambda: own.browse(record.id).copy()
        yield "load", lambda: self._loaded(own, dict(minimal))

    def _created(self, own, name, value, minimal):
        return own.with_context(**{f"default_{name}": value}).create(dict(minimal))

    def _named(self, model):
        made = model.name_create("x")
        if not made:
            raise UserError(self.env._("No record is made by its name alone."))
        return model.browse(made[0])

    def _loaded(self, model, vals):
        fields = [f"{name}/.id" if model._fields[name].type == "many2one" else name for name in vals]
        result = model.load(fields, [[str(value) for value in vals.values()]])
        if not result["ids"]:
            raise UserError(str(result["messages"]))
        return model.browse(result["ids"])

    def _prepare(self):
        samples = self._samples()
        samples["res.company"] = self.company
        # Somebody of the third company registers it in these tests: it is free of registrations.
        for role in ("user", "manager", "boss"):
            self.roles[role].write({"company_ids": [Command.link(self.third_company.id)]})
        self.victims = {record._name: record.sudo() for record in samples.values()}
        self.victims["res.users"] = self.roles["plain"]
        self.victims["res.company"] = self.other_company
        self.env.flush_all()
        self.env.invalidate_all()
        return samples

    def test_every_field_is_classified(self):
        """A model, or a field that people may give, that is not in the table fails; what is not there is protected."""
        self.assertEqual(self._own_models(), set(PERSON))
        for model, creation, always in self._models():
            with self.subTest(model._name):
                self.assertEqual(set(model._person_fields), always)
                self.assertEqual(set(model._creation_fields), creation)
                self.assertEqual(model._protected_fields() - {"message_ids"}, self._protected(model, creation, always))

    def test_s2_no_door_takes_a_protected_field(self):
        """Anyone who gives one is refused: nothing is left out in silence."""
        samples = self._prepare()
        for model, creation, always in self._models():
            record = samples[model._name.removeprefix("l10n_vn_ibhxh.")]
            minimal = self._minimal(model, samples)
            for name in sorted(self._protected(model, creation, always)):
                value = self._planted(model._fields[name])
                for role in ROLES:
                    own = model.with_user(self.roles[role])
                    for door, function in self._doors(own, record, name, value, minimal):
                        with self.subTest(model=model._name, field=name, role=role, door=door):
                            self.assertIsNone(self._through(function, {name: value}))

    def test_s2_neither_context_nor_ir_default_fill_a_protected_field(self):
        samples = self._prepare()
        reached = set()
        for model, creation, always in self._models():
            record = samples[model._name.removeprefix("l10n_vn_ibhxh.")]
            minimal = self._minimal(model, samples)
            names = sorted(self._protected(model, creation, always) - minimal.keys())
            planted = {name: self._planted(model._fields[name]) for name in names}
            for role in ROLES:
                own = model.with_user(self.roles[role])
                in_context = own.with_context(**{f"default_{name}": value for name, value in planted.items()})
                outcomes = [
                    ("context", door, self._through(function, planted))
                    for door, function in self._silent_doors(in_context, record, minimal)
                ]
                # One by one, too: together one may be refused for another's sake.
                outcomes += [
                    ("context", f"create with {name}", self._through(function, {name: value}))
                    for name, value in planted.items()
                    for function in [functools.partial(self._created, own, name, value, minimal)]
                ]
                self._set_defaults(own, planted)
                outcomes += [
                    ("ir.default", door, self._through(function, planted))
                    for door, function in self._silent_doors(own, record, minimal)
                ]
                for source, door, outcome in outcomes:
                    if outcome is not None:
                        reached.add((model._name, source))
                    with self.subTest(model=model._name, role=role, door=door, source=source):
                        self.assertFalse(outcome)
        # The doors that are open to somebody were gone through.
        for name in ("registration", "registration.wizard", "lodge", "lodge.answer", "mail.paste"):
            for source in ("context", "ir.default"):
                self.assertIn((f"l10n_vn_ibhxh.{name}", source), reached)

    def _set_defaults(self, own, planted):
        """Let the user of `own` set what every employee may set; portal users may not."""
        if own.env.user.has_group("base.group_user"):
            for name, value in planted.items():
                if not isinstance(value, list):
                    own.env["ir.default"].set(own._name, name, value, user_id=True)
            own.env.flush_all()

    def test_s2_an_ir_default_of_a_user_reaches_no_record_that_the_program_makes(self):
        """The program creates as superuser, and still as the same user: their defaults would count."""
        before = self._walk()
        for model, creation, always in self._models():
            fields = [model._fields[name] for name in sorted(self._protected(model, creation, always))]
            planted = {field.name: self._planted(field) for field in fields if field.store and not field.relational}
            self._set_defaults(model.with_user(self.user), planted)
        self.env.invalidate_all()
        self.assertEqual(self._walk(), before)

    def _walk(self):
        """Register and sign; return what the program made on the way, and take it back."""
        savepoint = self.env.cr.savepoint()
        registration = self._register()
        records = [registration.sudo(), registration.sudo().signing_request_id]
        self._sign(registration)
        registration.with_user(self.user)._note_step("2026-03-02 03:04:05", "x")
        records += [*registration.sudo().step_ids]
        batch = self.env["l10n_vn_ibhxh.batch"].with_user(self.user)._from_companies(self.company)
        records += [batch.sudo(), batch.sudo().line_ids]
        mail = self.env["l10n_vn_ibhxh.mail"].with_user(self.user)._receive(MAIL)
        records += [mail.sudo()]
        volatile = {
            "id",
            "res_id",
            "name",
            "display_name",
            "client_reference",
            "document",
            "document_sha256",
            "signed_document",
            "sha256",
            "signed_sha256",
        }
        result = []
        for record in records:
            names = [
                name
                for name, field in record._fields.items()
                if field.store
                and not field.relational
                and name not in volatile | CORE
                and "l10n_vn_ibhxh" in field._modules
            ]
            result.append((record._name, record.with_context(bin_size=False).read(names, load=None)[0]))
            result[-1][1].pop("id")
        savepoint.rollback()
        savepoint.close()
        self.env.invalidate_all()
        return result

    def test_s10_no_form_tells_of_what_one_may_not_read(self):
        """What is computed of an unsaved record is computed as superuser, and an unsaved record knows no rule."""
        samples = self._prepare()
        samples["registration"].sudo()._activate("BV2VLHCKRA", False, samples["registration"].submitted_at)
        self.victims["res.company"] = self.company
        self.company.l10n_vn_ibhxh_unit_code = "TZH490L"
        self.company.l10n_vn_ibhxh_certificate_id = self.certificate
        self.env.flush_all()
        words = {
            self.company.name, self.company.vat, self.company.email, self.company.phone, "TZH490L", "BV2VLHCKRA",
            self.certificate.serial, self.certificate.name, samples["registration"].name, self.provider.name,
        }  # fmt: skip
        tried = 0
        for model, _creation, _always in self._models():
            for role in ("stranger", "plain"):
                own = model.with_user(self.roles[role]).with_company(self.other_company)
                if not own.has_access("create"):
                    continue
                spec = {name: self._spec(field) for name, field in own._fields.items() if self._is_readable(own, field)}
                for field in own._fields.values():
                    victim = self.victims.get(field.comodel_name) if field.relational else None
                    if victim is None or field.comodel_name == "res.users":
                        continue
                    value = victim.id if field.type == "many2one" else [Command.link(victim.id)]
                    for door, function in self._form_doors(own, field.name, value, spec):
                        with self.subTest(model=model._name, field=field.name, role=role, door=door):
                            tried += 1
                            answer = self._answer(function)
                            self.assertFalse({word for word in words if word in answer})
        self.assertGreater(tried, 100)

    def _form_doors(self, own, name, value, spec):
        """`(door, function)` of the ways in which a form learns what follows from `value` in the field `name`."""
        in_context = own.with_context(**{f"default_{name}": value})
        yield "changed", lambda: own.onchange({name: value}, [name], spec)
        yield "first", lambda: own.onchange({name: value}, [], spec)
        yield "context", lambda: in_context.onchange({}, [], spec)
        yield "default_get", lambda: in_context.default_get([*own._fields])
        yield "save", lambda: in_context.web_save({}, spec)

    def _spec(self, field):
        return {"fields": {"display_name": {}}} if field.relational else {}

    def _is_readable(self, model, field):
        return model._has_field_access(field, "read") and field.type not in ("reference", "many2one_reference")

    def _answer(self, function):
        """What a call answers, or the words of its refusal; nothing of what it did stays."""
        savepoint = self.env.cr.savepoint()
        try:
            return repr(function())
        except (AccessError, UserError, IntegrityError) as error:
            return str(error)
        finally:
            savepoint.rollback()
            savepoint.close()
            self.env.invalidate_all()

    def test_s2_no_dossier_is_made_by_mail(self):
        """Core creates what a mail asks for as superuser, with the values that its caller gives."""
        before = self.env["l10n_vn_ibhxh.registration"].search_count([])
        values = {"state": "to_send", "company_id": self.third_company.id, "signed_document": "eA=="}
        for role in (*ROLES, "boss"):
            mails = self.env["mail.thread"].with_user(self.roles[role])
            with self.subTest(role):
                door = functools.partial(
                    mails.message_process, "l10n_vn_ibhxh.registration", MAIL, custom_values=values
                )
                self.assertIsNone(self._through(door, {}))
        self.assertEqual(self.env["l10n_vn_ibhxh.registration"].search_count([]), before)
