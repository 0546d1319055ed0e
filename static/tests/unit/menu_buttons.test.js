import { expect, queryAllTexts, test } from "@odoo/hoot";
import { contains, mockService, mountView } from "@web/../tests/web_test_helpers";

import { defineIbhxhModels } from "./ibhxh_test_helpers";

const MODEL = "l10n_vn_ibhxh.registration";
const MENU = ".o_cp_action_menus .dropdown-toggle, .o_cp_action_menus button.o-dropdown";
const ITEM = ".o-dropdown--menu .o_menu_item";

defineIbhxhModels();

/** Open registration 1, whose header has a button and three entries of the menu. */
async function open() {
    mockService("action", {
        doActionButton({ name, resModel, resId }) {
            expect.step(`${name} ${resModel} ${resId}`);
        },
    });
    await mountView({
        type: "form",
        resModel: MODEL,
        resId: 1,
        loadActionMenus: true,
        arch: `<form js_class="l10n_vn_ibhxh_live_form">
            <header>
                <button name="action_sign" type="object" string="Sign" />
                <button name="action_proof" type="object" string="Proof" data-menu="1" />
                <button name="action_stop" type="object" string="Stop" data-menu="1" invisible="state == 'to_sign'" />
                <button name="action_cancel" type="object" string="Cancel" data-menu="1" confirm="Cancel it?" />
            </header>
            <field name="state" /><field name="name" />
        </form>`,
    });
    await contains(MENU).click();
}

const entries = () => queryAllTexts(ITEM).filter((text) => ["Sign", "Proof", "Stop", "Cancel"].includes(text));

test("rare buttons are entries of the action menu, as their condition says", async () => {
    await open();
    expect(entries()).toEqual(["Proof", "Cancel"]);
    expect(".o_statusbar_buttons button[name='action_proof']").toHaveCount(0);
    expect(".o_statusbar_buttons button[name='action_sign']").toHaveCount(1);
});

test("an entry calls its method on the record", async () => {
    await open();
    await contains(`${ITEM}:contains(Proof)`).click();
    await expect.waitForSteps([`action_proof ${MODEL} 1`]);
});

test("an entry that asks first does nothing before the answer", async () => {
    await open();
    await contains(`${ITEM}:contains(Cancel)`).click();
    expect(".modal-body").toHaveText("Cancel it?");
    expect.verifySteps([]);
    await contains(".modal-footer .btn-primary").click();
    await expect.waitForSteps([`action_cancel ${MODEL} 1`]);
});
