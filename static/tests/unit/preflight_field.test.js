import { animationFrame, Deferred, expect, queryAllAttributes, queryAllTexts, test } from "@odoo/hoot";
import { contains, mockService, mountView, onRpc } from "@web/../tests/web_test_helpers";

import { defineIbhxhModels, Registration } from "./ibhxh_test_helpers";

const MODEL = "l10n_vn_ibhxh.registration";
const CHECKS = ".o_l10n_vn_ibhxh_preflight";
const ROW = `${CHECKS} li`;

defineIbhxhModels();

const row = (level, values = {}) => ({ check: level, code: level, level, text: `It is ${level}.`, ...values });

async function open(...rows) {
    Registration._records[0].preflight = rows;
    await mountView({
        type: "form",
        resModel: MODEL,
        resId: 1,
        arch: `<form>
            <field name="email" /><field name="name" />
            <details>
                <summary><field name="unit_code" readonly="1" /></summary>
                <div><field name="unit_code" /></div>
            </details>
            <field name="preflight" widget="l10n_vn_ibhxh_preflight" />
        </form>`,
    });
}

test("what blocks comes first, what needs nobody is folded away", async () => {
    await open(row("passed"), row("unasked"), row("warning"), row("blocking"));
    expect(queryAllTexts(ROW)).toEqual(["It is blocking.", "It is warning."]);
    expect(`${CHECKS} strong`).toHaveText("Correct first");
    const fold = `${CHECKS} button[aria-expanded]`;
    expect(fold).toHaveText("2 more checks");
    expect(fold).toHaveAttribute("aria-expanded", "false");
    await contains(fold).click();
    expect(fold).toHaveAttribute("aria-expanded", "true");
    expect(queryAllTexts(ROW)).toEqual(["It is blocking.", "It is warning.", "It is unasked.", "It is passed."]);
});

test("when nothing is wrong, one line says so", async () => {
    await open(row("passed"), row("unasked"));
    expect(`${CHECKS} .o_l10n_vn_ibhxh_clear`).toHaveText("No problems found.");
    expect(ROW).toHaveCount(0);
    await contains(`${CHECKS} button[aria-expanded]`).click();
    expect(ROW).toHaveCount(2);
});

test("each level has a name for those who do not see its colour", async () => {
    await open(row("unasked"), row("warning"), row("blocking"));
    await contains(`${CHECKS} button[aria-expanded]`).click();
    expect(`${ROW} i[role='img']`).toHaveCount(3);
    expect(queryAllAttributes(`${ROW} i`, "aria-label")).toEqual(["Blocks signing", "Please check", "Not asked yet"]);
    expect(CHECKS).toHaveAttribute("aria-live", "polite");
});

test("nothing stands there when nothing was checked", async () => {
    await open();
    expect(CHECKS).toHaveCount(0);
});

test("the cursor goes to the input that resolves a finding", async () => {
    await open(row("blocking", { field: "email" }), row("warning", { field: "not_on_the_screen" }));
    expect(`${ROW} button`).toHaveCount(1);
    await contains(`${ROW} button`).click();
    expect(".o_field_widget[name='email'] input").toBeFocused();
});

test("an input that is folded away is unfolded first", async () => {
    await open(row("blocking", { field: "unit_code" }));
    expect("details").not.toHaveAttribute("open");
    await contains(`${ROW} button`).click();
    expect("details").toHaveAttribute("open");
    expect("details > div .o_field_widget[name='unit_code'] input").toBeFocused();
});

test("an action that resolves it is asked from the server and done, after saving", async () => {
    mockService("action", {
        doAction(action) {
            expect.step(action.name);
        },
    });
    onRpc(MODEL, "web_save", () => {
        expect.step("save");
    });
    onRpc(MODEL, "action_remedy", ({ args }) => {
        expect.step(`action_remedy ${args[0]}`);
        return { type: "ir.actions.act_window_close", name: "resolved" };
    });
    await open(row("blocking", { action: "action_remedy", field: "email" }));
    await contains(".o_field_widget[name='name'] input").edit("typed", { confirm: false });
    expect(`${ROW} button`).toHaveText("Do that");
    await contains(`${ROW} button`).click();
    expect.verifySteps(["save", "action_remedy 1", "resolved"]);
});

test("the button asks once, and shows that it is asking", async () => {
    const answer = new Deferred();
    onRpc(MODEL, "action_preflight_check", () => answer);
    await open(row("unasked"));
    const button = `${CHECKS} .btn-secondary`;
    await contains(button).click();
    expect(button).toHaveAttribute("disabled");
    expect(`${button} [role='img'][aria-label='Checking']`).toHaveCount(1);
    answer.resolve(true);
    await animationFrame();
    expect(button).not.toHaveAttribute("disabled");
});
