"""What a person sees first: one next step on a registration, a wizard without scrolling, names that are whole."""

import ast
import itertools

from lxml import etree
from odoo import fields
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from ..models.const import FORMS, LODGINGS, STATES
from .common import IbhxhCommon
from .patience import RealClockCase
from .samples import signing

REGISTRATION = "l10n_vn_ibhxh.registration"
WIZARD = "l10n_vn_ibhxh.registration.wizard"
MARK = "screen: "
COPY_AND_OPEN = "activation_code"
"""The field whose widget has the primary button."""

NEXT_STEP = {
    # state: {(lodged by Odoo, elsewhere or as a file, form): button}; a form that is left out is as form 04
    "draft": {"odoo": "action_request_signature", "file": "action_request_signature", "elsewhere": "action_lodge"},
    "to_send": {"odoo": "action_send", "file": "action_lodge"},
    "sent": {"odoo": "mail_paste", "file": "mail_paste", "elsewhere": "mail_paste"},
    "to_activate": dict.fromkeys(("odoo", "file", "elsewhere"), COPY_AND_OPEN),
    "expired": dict.fromkeys(("odoo", "file", "elsewhere"), "action_register_again"),
    "rejected": dict.fromkeys(("odoo", "file", "elsewhere"), "action_register_again"),
}
NO_CODE_YET = "mail_paste"
"""The next step where the first day went by without a code: nobody submits a second dossier for that."""

SENT_05_06 = {"odoo": "action_refresh", "file": "action_record_answer", "elsewhere": "action_record_answer"}
NOTHING_TO_PRESS = {"to_sign", "confirmed", "cancelled"}
"""The next step is at the computer with the token, or there is none."""

IN_THE_MENU = {
    "sent": {"action_resend_code", "notification_upload", "action_download_proof"},
    "to_activate": {"mail_paste", "action_resend_code", "notification_upload", "action_download_proof"},
    "confirmed": {"action_stop", "action_download_proof"},
    "draft": {"action_cancel"},
}
"""What the action menu of a registration that Odoo sends has in a state."""

# Opens each page in turn and says what is seen of it.
LOOK = """
(async () => {
    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const until = async (selector) => {
        for (let still = 0; still < 10; still++) {
            await frame();
            if (!document.querySelector(selector)) {
                still = 0;
            }
        }
    };
    const whole = (element) => element.scrollWidth <= element.clientWidth;
    const onScreen = (selector) => {
        const element = document.querySelector(selector);
        const box = element?.getBoundingClientRect();
        return Boolean(box && box.width && box.top >= 0 && box.bottom <= window.innerHeight);
    };
    const say = (name, seen) => console.log("screen: " + JSON.stringify({ name, seen }));
    for (const { name, open, ready, look } of PAGES) {
        await action.doAction(open, { clearBreadcrumbs: true });
        await until(ready);
        say(name, new Function("whole", "onScreen", `return ${look}`)(whole, onScreen));
    }
    console.log("test successful");
})();
"""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNextStep(IbhxhCommon):
    """Read from the view that the browser gets; the browser itself is asked below."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        registrations = cls.env[REGISTRATION].with_user(cls.user)
        view = registrations.get_view(view_type="form")
        cls.arch = etree.fromstring(view["arch"])
        cls.manual = cls.provider.copy({"code": "88888", "gateway": "manual"})
        names = {
            "l10n_vn_ibhxh_mail_paste_action": "mail_paste",
            "l10n_vn_ibhxh_notification_upload_action": "notification_upload",
        }
        cls.names = {str(cls.env.ref(f"l10n_vn_ibhxh.{xmlid}").id): name for xmlid, name in names.items()}

    def _registration(self, state="draft", lodging="odoo", form="04", **vals):
        provider = self.provider if lodging == "odoo" else self.manual
        return (
            self.env[REGISTRATION]
            .with_user(self.user)
            .new(
                {
                    "company_id": self.company.id,
                    "provider_id": provider.id,
                    "lodging": lodging,
                    "state": state,
                    "form": form,
                    "activation_code": "BV2VLHCKRA",
                    **vals,
                }
            )
        )

    def _is_visible(self, node, registration):
        for element in (node, *node.iterancestors()):
            invisible = element.get("invisible")
            if invisible:
                names = {name.id for name in ast.walk(ast.parse(invisible, mode="eval")) if isinstance(name, ast.Name)}
                values = {name: registration[name] for name in names if name in registration._fields}
                if safe_eval(invisible, values):
                    return False
        return True

    def _visible(self, registration, xpath):
        """Return the names of what `xpath` finds in the form and this registration shows, in the form's order."""
        found = [node for node in self.arch.xpath(xpath) if self._is_visible(node, registration)]
        return [self.names.get(node.get("name"), node.get("name")) for node in found]

    def _primary(self, registration):
        primary = "//button[contains(@class, 'btn-primary')] | //field[@widget='l10n_vn_ibhxh_portal_code']"
        return self._visible(registration, primary)

    def test_one_next_step_in_every_state(self):
        for (state, _s), (lodging, _l), (form, _f) in itertools.product(STATES, LODGINGS, FORMS):
            if state in ("to_sign", "to_send") and lodging == "elsewhere":
                continue  # signed elsewhere: such a registration never gets there
            with self.subTest(state=state, lodging=lodging, form=form):
                if state in NOTHING_TO_PRESS:
                    expected = []
                elif state == "sent" and form != "04":
                    expected = [SENT_05_06[lodging]]
                else:
                    expected = [NEXT_STEP[state][lodging]]
                seen = {"activation_received_at": fields.Datetime.now()} if state == "expired" else {}
                self.assertEqual(self._primary(self._registration(state, lodging, form, **seen)), expected)

    def test_k1_the_next_step_where_no_code_has_come(self):
        for lodging, _label in LODGINGS:
            with self.subTest(lodging=lodging):
                registration = self._registration("expired", lodging)
                self.assertEqual(self._primary(registration), [NO_CODE_YET])
                menu = self._visible(registration, "//header/button[@data-menu]")
                self.assertIn("action_register_again", menu)
                boxes = self._visible(registration, "//div[@role='status'][@name]")
                self.assertIn("no_code_yet", boxes)
                self.assertNotIn("code_ended", boxes)

    def test_one_next_step_after_each_refusal(self):
        for code in self.env["l10n_vn_ibhxh.result.code"].search([("remedy_action", "!=", False)]):
            for (lodging, _l), (form, _f) in itertools.product(LODGINGS, FORMS):
                with self.subTest(code=code.code, lodging=lodging, form=form):
                    refused = self._registration("rejected", lodging, form, error_code=code.code)
                    self.assertEqual(self._primary(refused), ["action_remedy"])

    def test_one_next_step_after_a_confirmation(self):
        stopped = self._registration("confirmed", form="06", then_register=True)
        self.company.l10n_vn_ibhxh_state = "stopped"
        self.assertEqual(self._primary(stopped), ["action_register_next"])
        self.company.l10n_vn_ibhxh_state = "confirmed"
        amended = self._registration("confirmed", form="05", then_certificate_id=self.certificate.id)
        self.assertEqual(self._primary(amended), ["action_amend_next"])
        self.assertEqual(self._primary(self._registration("confirmed")), [])

    def test_rare_actions_are_in_the_menu_when_they_make_sense(self):
        self.company.l10n_vn_ibhxh_state = "confirmed"
        for state, expected in IN_THE_MENU.items():
            with self.subTest(state=state):
                self.assertEqual(set(self._visible(self._registration(state), "//header/button[@data-menu]")), expected)

    def test_few_buttons_leave_room_for_the_status_bar(self):
        self.company.l10n_vn_ibhxh_state = "confirmed"
        for (state, _s), (lodging, _l), (form, _f) in itertools.product(STATES, LODGINGS, FORMS):
            with self.subTest(state=state, lodging=lodging, form=form):
                for received_at in (False, fields.Datetime.now()):
                    registration = self._registration(state, lodging, form, activation_received_at=received_at)
                    shown = self._visible(registration, "//header/button[not(@data-menu)]")
                    self.assertLessEqual(len(shown), 2)

    def test_a_phone_shows_the_code_first(self):
        """A phone puts one below the other what the form has: nothing comes before the box with the code."""
        first = self.arch.xpath("/form/*[not(self::header)][not(self::field)]")[0]
        self.assertEqual(first.get("name"), "code")
        shown = [field.get("name") for field in first.iter("field")]
        self.assertEqual(shown[:2], ["activation_code", "activation_expires_at"])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWizardFold(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.arch = etree.fromstring(self.env[WIZARD].with_user(self.user).get_view(view_type="form")["arch"])

    def test_what_the_person_has_to_do_is_not_folded(self):
        for name in ("certificate_id", "email", "email_repeated", "phone", "provider_id", "lodging", "agency_id"):
            with self.subTest(name=name):
                self.assertTrue(self.arch.xpath(f"//field[@name='{name}'][not(ancestor::details)]"))

    def test_what_is_needed_is_marked(self):
        marked = {
            node.get("name") for node in self.arch.iter("field") if "o_l10n_vn_ibhxh_needed" in node.get("class", "")
        }
        expected = {"certificate_id", "email", "email_repeated", "phone", "provider_id", "agency_id"}
        self.assertEqual(marked, expected | {"change_text", "stop_date", "stop_reason_code"})

    def test_nothing_needed_is_folded(self):
        for node in self.arch.xpath("//details//field"):
            self.assertNotIn("o_l10n_vn_ibhxh_needed", node.get("class", ""))
            self.assertFalse(node.get("required"), node.get("name"))

    def test_everything_can_still_be_entered(self):
        """What the wizard takes from a person is on its form, but for what its own buttons fill in."""
        fields_on_form = {node.get("name") for node in self.arch.iter("field")}
        filled_in = {"target_provider_id", "then_certificate_id", "then_register", "certificate_file_name"}
        self.assertFalse(self.env[WIZARD]._person_fields - filled_in - fields_on_form)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestInTheBrowser(RealClockCase, IbhxhCommon):
    """The pages as Chromium lays them out, in both languages."""

    browser_size = "1280x800"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._speak_vietnamese()
        cls.user.write({"odoobot_state": "disabled"})
        cls.company.name = "CHI NHÁNH CÔNG TY CỔ PHẦN VẬN TẢI BIỂN ĐÔNG PHƯƠNG TẠI THÀNH PHỐ HẢI PHÒNG"
        # A second company, so that lists say which one a row is about.
        other = cls.env["res.company"].create({"name": "CÔNG TY TNHH AN PHÁT HƯNG"})
        cls.user.write({"company_ids": [Command.link(other.id)]})

    @classmethod
    def _new_certificate(cls, *args, **kwargs):
        return signing.certificate(*args, **kwargs)

    def _seen(self, lang, pages):
        """Return what the pages look like to the user in this language: `{name: seen}`."""
        self.user.lang = lang
        return {page["name"]: page["seen"] for page in self._said(LOOK, MARK, pages, self.user.company_ids)}

    def _waiting_for_activation(self):
        registration = self._sent()
        url = "https://dichvucong.baohiemxahoi.gov.vn/kich-hoat"
        registration.sudo()._activate("BV2VLHCKRA", url, fields.Datetime.now())
        return registration

    def test_desktop(self):
        registration = self._waiting_for_activation()
        statusbar = "[...document.querySelectorAll('.o_statusbar_status .o_arrow_button:not(.dropdown-toggle)')]"
        names = "[...document.querySelectorAll('.o_data_cell.o_l10n_vn_ibhxh_whole')]"
        lists = ("registration", "overview", "certificate")
        pages = [
            *(
                {
                    "name": name,
                    "open": f"l10n_vn_ibhxh.l10n_vn_ibhxh_{name}_action",
                    "ready": ".o_list_view .o_data_row",
                    "look": f"{names}.map(whole)",
                }
                for name in lists
            ),
            {
                "name": "form",
                "open": {**registration._get_records_action(), "views": [[False, "form"]]},
                "ready": ".o_form_view .o_l10n_vn_ibhxh_open_portal",
                "look": f"[{statusbar}.filter((item) => !item.classList.contains('d-none')).length, "
                "document.querySelectorAll('.o_statusbar_buttons .btn-primary, .alert .btn-primary').length]",
            },
            {
                "name": "wizard",
                "open": "l10n_vn_ibhxh.l10n_vn_ibhxh_registration_wizard_action",
                "ready": ".modal .o_l10n_vn_ibhxh_computer",
                "look": "['[name=certificate_id] input', '[name=email] input', '[name=email_repeated] input', "
                "'[name=phone] input', '[name=action_register]'].map((name) => onScreen('.modal ' + name))",
            },
        ]
        # The wizard says so where a registration is open; that one is left out of the picture.
        for lang in ("en_US", "vi_VN"):
            with self.subTest(lang=lang):
                seen = self._seen(lang, pages[:-1])
                for name in lists:
                    self.assertTrue(seen[name], name)
                    self.assertTrue(all(seen[name]), f"{name}: the names are whole")
                self.assertEqual(seen["form"], [6, 1], "the status bar is whole, one button is primary")
        registration.sudo()._confirm(fields.Datetime.now())
        self.company.write({"l10n_vn_ibhxh_confirmed_at": False, "l10n_vn_ibhxh_state": "none"})
        for lang in ("en_US", "vi_VN"):
            with self.subTest(lang=lang):
                self.assertEqual(self._seen(lang, pages[-1:])["wizard"], [True] * 5)

    def test_phone(self):
        self.browser_size = "390x844"
        self.touch_enabled = True
        registration = self._waiting_for_activation()
        page = {
            "name": "code",
            "open": {**registration._get_records_action(), "views": [[False, "form"]]},
            "ready": ".o_form_view .o_l10n_vn_ibhxh_open_portal",
            "look": "['code', 'open_portal', 'countdown'].map((name) => onScreen('.o_l10n_vn_ibhxh_' + name))",
        }
        for lang in ("en_US", "vi_VN"):
            with self.subTest(lang=lang):
                self.assertEqual(self._seen(lang, [page])["code"], [True] * 3)
