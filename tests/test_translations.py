import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import odoo.addons
import polib
from lxml import etree
from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools.translate import TranslationModuleReader, code_translations

from .common import IbhxhCommon
from dev.packaging.backend.addon_wheel import FILES, FOLDERS

ADDON = "l10n_vn_ibhxh"
ROOT = Path(__file__).resolve().parents[1]
SAME = "The same in Vietnamese."
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}")
ENGLISH, VIETNAMESE = "en_US", "vi_VN"


class _Reader(TranslationModuleReader):
    """Odoo's exporter, looking for sources in the addon's parts alone.

    Otherwise it walks all of Odoo and, in a checkout, what else stands there.
    """

    def _export_translatable_resources(self):
        with TemporaryDirectory() as folder:
            addon = Path(folder, ADDON)
            addon.mkdir()
            for name in (*FILES, *FOLDERS):
                if (ROOT / name).exists():
                    addon.joinpath(name).symlink_to(ROOT / name)
            self._path_list = [(folder, True)]
            with patch.object(odoo.addons, "__path__", [folder]):
                return super()._export_translatable_resources()


def _tags(text):
    """Return the elements that a view's term consists of, with their attributes but `title`, which is text."""
    root = etree.fromstring(f"<root>{text}</root>")
    return Counter(
        (element.tag, *sorted((name, value) for name, value in element.attrib.items() if name != "title"))
        for element in root.iter()
    )


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCatalogue(IbhxhCommon):
    """i18n/vi.po against the terms that the code has now; `./run i18n` brings it in line."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.entries = list(polib.pofile(str(ROOT / "i18n" / "vi.po")))

    def _terms(self):
        """Return the sources of all terms of the addon, but for fields that modules it does not know brought along."""
        rows = list(_Reader(self.env.cr, modules=[ADDON]))
        module = self.env["ir.module.module"].search([("name", "=", ADDON)])
        known = {ADDON, *(module.upstream_dependencies(exclude_states=("uninstallable",))).mapped("name"), "sms"}
        terms = set()
        for _module, kind, name, place, source, _value, _comments in rows:
            field = kind == "model" and name.startswith("ir.model.fields,") and self.env.ref(place)
            if not field or set(field.modules.split(", ")) <= known:
                terms.add(source)
        return terms

    def test_every_term_of_the_code_is_in_both_files(self):
        terms = self._terms()
        self.assertIn("The PIN was wrong.", " ".join(terms), "the export found the sentences of models/")
        self.assertIn("asks for the PIN", terms, "the export found the templates of static/")
        for name in (f"{ADDON}.pot", "vi.po"):
            found = {entry.msgid for entry in polib.pofile(str(ROOT / "i18n" / name))}
            self.assertFalse(sorted(terms - found), f"Not in {name}: ./run i18n, then translate")

    def test_everything_is_translated(self):
        """An empty translation is meant only where the translator says so."""
        left = [e.msgid for e in self.entries if e.fuzzy or e.obsolete or not (e.msgstr or e.tcomment == SAME)]
        self.assertFalse(left)

    def test_placeholders_are_kept(self):
        for entry in self.entries:
            if entry.msgstr:
                with self.subTest(entry.msgid):
                    wanted = Counter(PLACEHOLDER.findall(entry.msgid))
                    self.assertEqual(Counter(PLACEHOLDER.findall(entry.msgstr)), wanted)

    def test_markup_and_python_are_kept(self):
        for entry in self.entries:
            places = " ".join(place for place, _line in entry.occurrences)
            with self.subTest(entry.msgid):
                if "print_report_name" in places:
                    compile(entry.msgstr or entry.msgid, "print_report_name", "eval")
                elif entry.msgstr and "model_terms:" in places:
                    self.assertEqual(_tags(entry.msgstr), _tags(entry.msgid))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLanguages(IbhxhCommon):
    """What people read, in their language."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang(VIETNAMESE)
        cls.env["ir.module.module"]._load_module_terms([ADDON], [VIETNAMESE])

    def _speak(self, lang):
        """Let the user work in `lang`, as the web client does."""
        self.user.lang = lang
        self.env = self.env(context={**self.env.context, "lang": lang})

    def test_wrong_email(self):
        for lang, sentence in (
            (ENGLISH, "“ke.toan@” is not an e-mail address. Correct it: VSS sends the activation code there."),
            (VIETNAMESE, "“ke.toan@” không phải là địa chỉ email. Hãy sửa lại: BHXH Việt Nam gửi mã kích hoạt"),
        ):
            with self.subTest(lang):
                self._speak(lang)
                with self.assertRaisesRegex(ValidationError, sentence):
                    self._register(email="ke.toan@")

    def test_certificate_of_another_company(self):
        other = self._new_certificate(uids=("MST:0312345678",), serial=7)
        certificate = self._plug_in(self.agent, self.der, other) - self.certificate
        for lang, sentence in (
            (ENGLISH, "This certificate belongs to tax code 0312345678, the company"),
            (VIETNAMESE, "Chứng thư số này là của mã số thuế 0312345678, công ty"),
        ):
            with self.subTest(lang):
                self._speak(lang)
                with self.assertRaisesRegex(UserError, sentence):
                    self._register(certificate_id=certificate.id)

    def test_wrong_pin(self):
        """The computer's answer is written down in the language of who asked for the signature."""
        for lang, sentence in (
            (ENGLISH, "The PIN was wrong. It was tried only once"),
            (VIETNAMESE, "Sai mã PIN. PIN chỉ được thử một lần"),
        ):
            with self.subTest(lang):
                self._speak(lang)
                registration = self._register()
                self._claim()
                registration.sudo().signing_request_id._refuse(self.agent, "pin_incorrect", "CKR_PIN_INCORRECT")
                self.assertTrue(registration.error_message.startswith(sentence), registration.error_message)
                registration.action_cancel()

    def test_phrase_that_cannot_be_used(self):
        """What is wrong is said inside of another sentence, and in the same language."""
        for lang, sentence in (
            (ENGLISH, "” under “Words before a code” cannot be used: it is too long. Correct it, then try again."),
            (VIETNAMESE, "” ở mục “Từ đứng trước mã” không dùng được: quá dài. Hãy sửa rồi thử lại."),
        ):
            with self.subTest(lang):
                self._speak(lang)
                test = self.env["l10n_vn_ibhxh.mail.test"].create({"text": "x", "code_words": "A" * 500})
                with self.assertRaisesRegex(UserError, sentence):
                    test.action_try()

    def test_remedy_of_a_refusal(self):
        registration = self._sent()
        registration._on_refused("SE003", "MST không đúng")
        for lang, sentence in (
            (ENGLISH, "Compare the tax code's 3-digit suffix and the unit code with VSS's acceptance e-mail"),
            (VIETNAMESE, "Đối chiếu 3 số cuối của mã số thuế và mã đơn vị với thư chấp nhận của BHXH Việt Nam"),
        ):
            with self.subTest(lang):
                remedy = registration.with_context(lang=lang).remedy
                self.assertTrue(remedy.startswith(sentence), remedy)

    def test_the_two_ways_of_the_guide_are_the_same_words_in_every_language(self):
        for lang in (ENGLISH, VIETNAMESE):
            menus = self.env["ir.ui.menu"].with_context(lang=lang)
            with self.subTest(lang):
                app = menus.env.ref(f"{ADDON}.l10n_vn_ibhxh_menu_register")
                self.assertEqual(app.complete_name, "iBHXH/Đăng ký GD BHXH điện tử")
                hr = menus.env.ref(f"{ADDON}.l10n_vn_ibhxh_menu_hr_register")
                self.assertTrue(hr.complete_name.endswith("/Hồ sơ điện tử/Đăng ký sử dụng dịch vụ I-VAN"))

    def test_the_wizard_speaks_the_words_of_the_guide(self):
        wizard = self.env["l10n_vn_ibhxh.registration.wizard"].with_context(lang=VIETNAMESE)
        labels = wizard.fields_get(["email", "phone", "certificate_id"], ["string"])
        self.assertEqual(labels["email"]["string"], "Địa chỉ thư điện tử (Email)")
        self.assertEqual(labels["phone"]["string"], "Điện thoại")
        self.assertEqual(labels["certificate_id"]["string"], "Chứng thư số")
        view = etree.fromstring(wizard.get_view(view_type="form")["arch"])
        self.assertEqual(view.xpath("//button[@name='action_register']/@string"), ["Đăng ký"])

    def test_the_browser_gets_its_terms(self):
        messages = code_translations.get_web_translations(ADDON, VIETNAMESE)["messages"]
        terms = {message["id"]: message["string"] for message in messages}
        self.assertEqual(terms["asks for the PIN"], "đang hỏi PIN")
        self.assertEqual(terms["The time is over."], "Đã hết giờ.")
