import { expect, test } from "@odoo/hoot";
import { contains, mockService, mountView, patchWithCleanup } from "@web/../tests/web_test_helpers";
import { browser } from "@web/core/browser/browser";

import { defineIbhxhModels, Registration } from "./ibhxh_test_helpers";

const BUTTON = ".o_l10n_vn_ibhxh_open_portal";

defineIbhxhModels();

/** Show a code; writing to the clipboard does `write`, and what is opened is a step. */
async function open(values, write = (text) => expect.step(`copied ${text}`)) {
    Object.assign(
        Registration._records[0],
        { activation_code: "BV2VLHCKRA", activation_url: "https://portal" },
        values,
    );
    patchWithCleanup(browser.navigator.clipboard, { writeText: async (text) => write(text) });
    patchWithCleanup(browser, { open: (...parts) => expect.step(parts.join(" ")) });
    mockService("notification", { add: (text, { type }) => expect.step(`${type}: ${text}`) });
    await mountView({
        type: "form",
        resModel: "l10n_vn_ibhxh.registration",
        resId: 1,
        arch: `<form><field name="activation_code" widget="l10n_vn_ibhxh_portal_code"
            options="{'url_field': 'activation_url', 'url_shown_field': 'is_link_shown'}" /></form>`,
    });
}

test("one button copies the code and opens the portal, in this order", async () => {
    await open({ is_link_shown: true });
    expect(".o_l10n_vn_ibhxh_code").toHaveText("BV2VLHCKRA");
    expect(BUTTON).toHaveText("Copy the code and open the portal");
    await contains(BUTTON).click();
    expect.verifySteps(["copied BV2VLHCKRA", "https://portal _blank noopener,noreferrer"]);
});

test("an address that is not known to be the portal's is not opened", async () => {
    await open({ is_link_shown: false });
    expect(BUTTON).toHaveText("Copy the code");
    await contains(BUTTON).click();
    expect.verifySteps(["copied BV2VLHCKRA", "success: Copied"]);
});

test("when the browser does not copy, it says so and opens nothing", async () => {
    await open({ is_link_shown: true }, () => {
        throw new Error("NotAllowedError");
    });
    await contains(BUTTON).click();
    expect.verifySteps(["warning: The browser does not let Odoo copy. Select the code and copy it yourself."]);
});

test("without a code nothing is shown", async () => {
    await open({ activation_code: false });
    expect(BUTTON).toHaveCount(0);
});
