"""What `tools.dossier` builds, the agent reads to the byte: it signs nothing that it cannot write again itself."""

import dataclasses
import importlib
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odoo.tests import BaseCase, tagged

from ..tools import dossier
from .samples import signing

FUZZ = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}
CHANGE = {
    "old_certificate_serial": "5401AB",
    "new_certificate_serial": "5404FFFEB7033FB316D672201B7BA4FE",
    "new_certificate_issuer": "Test CA",
    "new_certificate_from": date(2026, 1, 2),
    "new_certificate_to": date(2029, 1, 2),
    "change_text": "Đổi chứng thư số\nvà thư điện tử <mới>",
}
STOP = {"stop_date": date(2026, 4, 1), "stop_reason_code": "7", "stop_reason": "Chuyển sang I-VAN khác"}
FORMS = {"04": {}, "05": CHANGE, "06": STOP}
FULL = {
    "subject_name": "CÔNG TY TNHH THỬ NGHIỆM & BẠN",
    "contact_name": "Nguyễn Thị Ánh",
    "address": "Số 1/2 “Tòa nhà A”, phố Tràng Thi – Hoàn Kiếm",
    "contact_address": "P. 4; Hà Nội",
    "contact_phone": "0912345678",
    "phone": "0912345678",
}
EMPTY = {"contact_name": "", "address": "", "contact_address": "", "contact_phone": ""}
EMPTY_OWN = {"05": {"old_certificate_serial": ""}, "06": {"stop_reason_code": ""}, "04": {}}
SAMPLES = Path(__file__).parents[1] / "agent" / "tests" / "samples"
# What people write (Latin letters with accents, digits, punctuation), and whatever else can be pasted.
WORDS = st.from_regex(r"[ -~\u00c0-\u024f\u1ea0-\u1ef9“”–\n]{1,60}", fullmatch=True) | st.text(min_size=1, max_size=60)


def agent_document():
    """The agent's reader, of a distribution of its own, which the addon neither ships nor needs."""
    return importlib.import_module("ibhxh_agent.document")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAgentReadsDossier(BaseCase):
    def _check_read(self, form, data):
        xml = dossier.build(form, data)
        self.assertEqual(dossier.validate(form, xml), [])
        reader = agent_document()
        read = reader.read(xml)
        self.assertEqual(read.form, form)
        self.assertEqual(reader.rebuild(form, read.values), xml)
        return xml

    def test_every_form_with_every_field_and_without_the_optional_ones(self):
        for form, own in FORMS.items():
            with self.subTest(form=form):
                full = self._check_read(form, signing.data(**FULL, **own))
                empty = self._check_read(form, signing.data(**EMPTY, **(own | EMPTY_OWN[form])))
                # The agent's own tests read these, without the addon.
                self.assertEqual(full, (SAMPLES / f"{form}-full.xml").read_bytes())
                self.assertEqual(empty, (SAMPLES / f"{form}-empty.xml").read_bytes())

    def test_household_businesses_branches_and_budget_units(self):
        for tax_code in ("0100109106", "0100109106-001", "001099012345", "N12345"):
            for subject_type in ("0", "1"):
                data = signing.data(tax_code=tax_code, subject_type=subject_type, result_delivery="1")
                self._check_read("04", data)

    def test_the_longest_that_the_schema_takes(self):
        long = dict.fromkeys(("agency_name", "subject_name", "contact_name", "address", "provider_name"), "&" * 500)
        self._check_read("05", signing.data(**long, **(CHANGE | {"change_text": "&" * 4000})))

    def test_the_fields_are_the_same_in_the_same_order(self):
        for form, fields in dossier.FORMS.items():
            self.assertEqual([f.name for f in agent_document().FORMS[form]], [field.name for field in fields])

    @given(st.sampled_from(sorted(FORMS)), st.sampled_from(["subject_name", "address", "change_text"]), WORDS)
    @settings(max_examples=300, **FUZZ)
    def test_whatever_people_write_is_read(self, form, attribute, text):
        own = FORMS[form]
        if attribute not in {field.attribute for field in dossier.FORMS[form]}:
            return
        data = dataclasses.replace(signing.data(**own), **{attribute: text})
        try:
            xml = dossier.build(form, data)
        except dossier.DossierError:
            return
        reader = agent_document()
        self.assertEqual(reader.rebuild(form, reader.read(xml).values), xml)
