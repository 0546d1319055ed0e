from odoo.tests import tagged

from .companies import ManyRows
from .patience import RealClockCase

MARK = "calls: "

REGISTRATION = "l10n_vn_ibhxh.registration"
CALLS = {
    "list": ["/web/action/load", f"{REGISTRATION}/get_views", f"{REGISTRATION}/web_search_read"],
    "overview": ["/web/action/load", "res.company/get_views", "res.company/web_search_read"],
    "wizard": [
        "/web/action/load",
        f"{REGISTRATION}.wizard/get_views",
        f"{REGISTRATION}.wizard/onchange",
        "l10n_vn_ibhxh.agent/get_live",
    ],
}
"""All that each page calls when it is opened for the first time; later the browser has actions and views already."""

PAGES = {
    "list": ("l10n_vn_ibhxh_registration_action", ".o_list_view .o_data_row"),
    "overview": ("l10n_vn_ibhxh_overview_action", ".o_list_view .o_data_row"),
    "wizard": ("l10n_vn_ibhxh_registration_wizard_action", ".o_l10n_vn_ibhxh_computer"),
}
"""The action of each page, and what stands on it once it is there."""

# Opens each page and waits until it is there and every call is answered; then says which calls it made.
OPEN_PAGES = """
(async () => {
    const { rpcBus } = odoo.loader.modules.get("@web/core/network/rpc");
    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
    let calls = [];
    const waiting = new Set();
    rpcBus.addEventListener("RPC:REQUEST", ({ detail }) => {
        const { model, method } = detail.data.params;
        const call = model ? `${model}/${method}` : detail.url;
        if (!/^[/](mail|discuss|bus)[/]|^discuss[.]/.test(call)) {
            calls.push(call); // the chat makes its calls when it likes
        }
        waiting.add(detail.data.id);
    });
    rpcBus.addEventListener("RPC:RESPONSE", ({ detail }) => waiting.delete(detail.data.id));
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    const quiet = async (selector) => {
        for (let still = 0; still < 10; still++) {
            await frame();
            if (waiting.size || !document.querySelector(selector)) {
                still = 0;
            }
        }
    };
    await quiet(".o_list_view .o_data_row");
    for (const [name, [xmlid, selector]] of Object.entries(PAGES)) {
        calls = [];
        await action.doAction(`l10n_vn_ibhxh.${xmlid}`, { clearBreadcrumbs: true });
        await quiet(selector);
        const rows = document.querySelectorAll(selector).length;
        const count = document.querySelector(".o_control_panel .o_pager_limit")?.textContent;
        console.log("calls: " + JSON.stringify({ name, calls, rows, count }));
    }
    console.log("test successful");
})();
"""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCalls(RealClockCase, ManyRows):
    """A page in the browser makes as many calls for many rows as for few. What each call costs: test_queries."""

    def _open_pages(self, companies):
        """Open each page with these companies chosen; return `{name: what the page said}`."""
        # A page looks again when a computer falls silent, and when it hears of what went before: not while calls count.
        self.env["bus.bus"].sudo().search([]).unlink()
        return {page["name"]: page for page in self._said(OPEN_PAGES, MARK, PAGES, companies)}

    def test_calls_of_list_overview_and_wizard(self):
        few = self._new_companies(10)
        self._new_registrations(few[:8])
        pages = [self._open_pages(self.company | few)]
        many = few | self._new_companies(489, first=10)
        self._new_registrations(many[10:250])
        pages.append(self._open_pages(self.company | many))
        self.assertEqual([page["list"]["rows"] for page in pages], [8, 80])
        self.assertEqual([page["overview"]["count"] for page in pages], ["11", "500"])
        self.assertEqual([page["overview"]["rows"] for page in pages], [11, 80])
        for name, calls in CALLS.items():
            for page in pages:
                self.assertEqual(page[name]["calls"], calls, name)
