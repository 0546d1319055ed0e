import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";

const APP = "l10n_vn_ibhxh.l10n_vn_ibhxh_menu_root";

// Selectors name fields, buttons and menus, never words: each tour runs in every language.

/** Register a tour that waits for each step as long as a tour may: what happens backstage takes a busy machine a while. */
const add = (name, { steps, ...tour }) =>
    registry.category("web_tour.tours").add(name, {
        ...tour,
        steps: () => steps().map((step) => ({ timeout: 60_000, ...step })),
    });

/** Ask the test to do what happens outside the browser (tests/backstage.py). */
const cue = (...words) => ({
    content: `Backstage: ${words.join(" ")}`,
    trigger: "body",
    run: () => console.log(`backstage: ${words.join(" ")}`),
});

const openApp = (menu) => [
    stepUtils.showAppsMenuItem(),
    { content: "Open the app", trigger: `.o_app[data-menu-xmlid='${menu}']`, run: "click" },
];

const openMenu = (menu) => ({
    content: "Choose in the menu",
    trigger: `[data-menu-xmlid='l10n_vn_ibhxh.${menu}']`,
    run: "click",
});

const isState = (state) => ({
    content: `The status bar says ${state}, without a reload`,
    trigger: `.o_statusbar_status .o_arrow_button_current[data-value='${state}']`,
});

const press = (button) => ({
    content: `Press ${button}`,
    trigger: `button[name='${button}']:enabled`,
    run: "click",
});

const fillContact = () => [
    { content: "E-mail", trigger: ".modal [name='email'] input", run: "edit ke.toan@example.com" },
    { content: "E-mail once more", trigger: ".modal [name='email_repeated'] input", run: "edit ke.toan@example.com" },
    { content: "Phone", trigger: ".modal [name='phone'] input", run: "edit 0912 345 678" },
];

const hasTokenInWizard = () => ({
    content: "The token appears by itself, and its certificate is chosen",
    trigger: ".modal .o_l10n_vn_ibhxh_plugged[data-usable]",
});

const signAtTheComputer = () => [
    isState("to_sign"),
    cue("plug"),
    cue("claim"),
    { content: "The computer asks for the PIN", trigger: ".o_l10n_vn_ibhxh_asking" },
    cue("sign"),
    isState("to_send"),
];

add("l10n_vn_ibhxh_first_time", {
    url: "/odoo",
    steps: () => [
        ...openApp(APP),
        { content: "The empty state says what to do", trigger: ".o_view_nocontent" },
        openMenu("l10n_vn_ibhxh_menu_register"),
        {
            content: "No computer is paired: pair one",
            trigger: ".modal .o_l10n_vn_ibhxh_pair",
            run: "click",
        },
        { content: "The password is asked for", trigger: ".modal [name='password'] input", run: "edit ketoan123" },
        press("run_check"),
        {
            content: "A code is shown, and the link of this computer",
            trigger: ".modal:has(a[href^='ibhxh-agent://pair?']) .o_l10n_vn_ibhxh_pairing_code",
            run: ({ anchor }) => anchor.classList.add("o_old"),
        },
        { content: "Another code", trigger: ".modal .o_l10n_vn_ibhxh_new_code", run: "click" },
        {
            content: "Type the code on the computer",
            trigger: ".modal .o_l10n_vn_ibhxh_pairing_code:not(.o_old):contains(/[A-Z0-9]{4}-[A-Z0-9]{4}/)",
            run: ({ anchor }) =>
                console.log(`backstage: pair ${anchor.textContent.match(/[A-Z0-9]{4}-[A-Z0-9]{4}/)[0]}`),
        },
        { content: "The window says by itself that it is paired", trigger: ".modal .o_l10n_vn_ibhxh_paired" },
        { content: "Close", trigger: ".modal footer button[special='cancel'], .modal .btn-close", run: "click" },
        { content: "The window is closed", trigger: "body:not(:has(.modal))" },
        openMenu("l10n_vn_ibhxh_menu_register"),
        { content: "The paired computer is there", trigger: ".modal .o_l10n_vn_ibhxh_computer[data-name='PC-KETOAN']" },
        cue("plug"),
        hasTokenInWizard(),
        {
            content: "Its serial number is shown",
            trigger: ".modal [name='certificate_serial']:contains(/[0-9A-F]{8}/)",
        },
        ...fillContact(),
        press("action_register"),
        ...signAtTheComputer(),
        cue("send"),
        isState("sent"),
        cue("code"),
        isState("to_activate"),
        { content: "The code is there", trigger: "[name='activation_code']:contains('BV2VLHCKRA')" },
        { content: "It can be copied", trigger: "[name='activation_code'] .o_l10n_vn_ibhxh_open_portal" },
        { content: "The portal's link is there", trigger: "[name='activation_url'] a[href*='kich-hoat']" },
        { content: "The countdown runs", trigger: ".o_l10n_vn_ibhxh_countdown_clock:contains(/^23:5\\d:\\d\\d$/)" },
        cue("confirm"),
        isState("confirmed"),
    ],
});

add("l10n_vn_ibhxh_payroll", {
    url: "/odoo",
    steps: () => [
        ...openApp("hr.menu_hr_root"),
        openMenu("l10n_vn_ibhxh_menu_hr"),
        openMenu("l10n_vn_ibhxh_menu_hr_register"),
        cue("plug"),
        hasTokenInWizard(),
        ...fillContact(),
        press("action_register"),
        ...signAtTheComputer(),
    ],
});

add("l10n_vn_ibhxh_expired", {
    steps: () => [
        isState("to_activate"),
        { content: "The last hour is red", trigger: ".o_l10n_vn_ibhxh_countdown.text-danger" },
        cue("expire"),
        { content: "Registering again is offered, without a reload", trigger: "button[name='action_register_again']" },
        press("action_register_again"),
        {
            content: "Everything is filled in already",
            trigger: ".modal:has([name='email'] input:value('ke.toan@example.com'))",
        },
        press("action_register"),
        ...signAtTheComputer(),
        cue("send"),
        isState("sent"),
    ],
});

add("l10n_vn_ibhxh_offline", {
    steps: () => [
        isState("to_sign"),
        cue("plug"), // the browser may have taken longer to start than a silent computer counts as on
        { content: "The computer is on", trigger: ".o_l10n_vn_ibhxh_computer[data-online]" },
        cue("silence"),
        {
            content: "It goes silent, and the page notices by itself",
            trigger: ".o_l10n_vn_ibhxh_computer:not([data-online])",
        },
        { content: "What to do is said", trigger: ".o_l10n_vn_ibhxh_all_offline" },
        cue("plug"),
        { content: "It comes back", trigger: ".o_l10n_vn_ibhxh_computer[data-online]" },
        cue("unplug"),
        { content: "The token is pulled out", trigger: ".o_l10n_vn_ibhxh_no_token" },
        cue("plug"),
        { content: "The token is back", trigger: ".o_l10n_vn_ibhxh_plugged[data-usable]" },
        cue("claim"),
        { content: "The computer asks for the PIN", trigger: ".o_l10n_vn_ibhxh_asking" },
        cue("refuse"),
        isState("draft"),
        { content: "The failure is said", trigger: ".alert-danger [name='error_message']" },
        press("action_request_signature"),
        ...signAtTheComputer(),
    ],
});

const count = (field, value) => ({
    content: `${field} becomes ${value}`,
    trigger: `.o_l10n_vn_ibhxh_counts [name='${field}']:contains(/^${value}$/)`,
});

add("l10n_vn_ibhxh_batch", {
    steps: () => [
        { content: "Twenty companies", trigger: ".o_data_row:eq(19)" },
        { content: "Choose all", trigger: "thead .o_list_record_selector input", run: "click" },
        {
            content: "Register together",
            trigger:
                ".o_list_selection_box ~ button.btn-primary, .o_control_panel button.btn-primary:not(.dropdown-toggle)",
            run: "click",
        },
        { content: "Three are blocked", trigger: ".o_data_row.text-danger:eq(2)" },
        { content: "No more than three", trigger: ".o_list_renderer:not(:has(.o_data_row.text-danger:eq(3)))" },
        press("action_register"),
        count("to_sign_count", 17),
        count("blocked_count", 3),
        cue("claim"),
        cue("sign"),
        count("signed_count", 17),
        cue("send"),
        count("sent_count", 17),
        cue("answer"),
        count("confirmed_count", 15),
        count("failed_count", 2),
        { content: "Partial failures are listed", trigger: ".o_data_row.text-danger:eq(4)" },
    ],
});
