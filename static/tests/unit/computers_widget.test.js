import { advanceTime, expect, freezeTime, mockDate, test, waitFor } from "@odoo/hoot";
import { contains, mockService, mountView, onRpc, patchWithCleanup } from "@web/../tests/web_test_helpers";

import { ComputersWidget } from "@l10n_vn_ibhxh/computers/computers_widget";
import { defineIbhxhModels, PATIENT, tell } from "./ibhxh_test_helpers";

const WIDGET = ".o_l10n_vn_ibhxh_computers";
const LINE = `${WIDGET} .o_l10n_vn_ibhxh_computer`;
const PLUGGED = `${WIDGET} .o_l10n_vn_ibhxh_plugged`;
const UNFOLD = `${WIDGET} .o_l10n_vn_ibhxh_unfold`;
const COMPUTER = `${WIDGET} li`;

defineIbhxhModels();

const token = (id, values = {}) => ({
    id,
    name: `Token ${id}`,
    issuer: "VNPT-CA",
    tax_code: "0100109106",
    not_after: "2027-03-02 03:00:00",
    expired: false,
    usable: true,
    ...values,
});

const computer = (values = {}) => ({
    id: 1,
    name: "PC-KETOAN",
    user: "Lan",
    online: true,
    asking: false,
    last_seen_at: "2026-03-02 02:00:00",
    certificates: [],
    ...values,
});

/** Open a registration whose company has these computers; gives what the server answers next, to be changed. */
async function open(...computers) {
    freezeTime();
    mockDate("2026-03-02 03:00:00", 0);
    const answer = { computers, look_again: false };
    onRpc("l10n_vn_ibhxh.agent", "get_live", ({ args }) => {
        expect.step(`get_live ${args}`);
        return answer;
    });
    onRpc("l10n_vn_ibhxh.registration", "web_read", () => {
        expect.step("read");
    });
    await mountView({
        type: "form",
        resModel: "l10n_vn_ibhxh.registration",
        resId: 1,
        arch: `<form>
            <field name="is_shown" /><field name="name" /><field name="company_id" invisible="1" />
            <widget name="l10n_vn_ibhxh_computers" invisible="not is_shown" />
        </form>`,
    });
    expect.verifySteps(["read", "get_live 1"]);
    return answer;
}

test("without a computer it says what to do, and the button pairs one", async () => {
    mockService("action", {
        doAction(action) {
            expect.step(action);
        },
    });
    await open();
    expect(`${WIDGET} [role='status']`).toHaveText(/No computer with a token is paired yet/);
    await contains(`${WIDGET} button`).click();
    expect.verifySteps(["l10n_vn_ibhxh.action_pair_computer"]);
});

test("one line names the computer that will sign, the others unfold", async () => {
    await open(
        computer({ id: 2, name: "PC-KHO", online: false }),
        computer({ id: 3, name: "PC-LE-TAN" }),
        computer({ certificates: [token(1)] }),
    );
    expect(LINE).toHaveText("PC-KETOAN");
    expect(LINE).toHaveAttribute("data-online");
    expect(PLUGGED).toHaveText("Token 1 · VNPT-CA · 03/02/2027");
    expect(`${WIDGET} .alert-warning`).toHaveCount(0);
    expect(COMPUTER).toHaveCount(0);
    expect(UNFOLD).toHaveText("All computers (3)");
    await contains(UNFOLD).click();
    expect(COMPUTER).toHaveCount(3);
    expect(UNFOLD).toHaveAttribute("aria-expanded", "true");
});

test("one line says what is wrong", async () => {
    const answer = await open(computer({ online: false }));
    expect(`${WIDGET} .alert-warning [role='status']`).toHaveText(/is off \(last seen: 1 hour ago\). Switch it on/);
    answer.computers = [
        computer({ online: false }),
        computer({ id: 2, name: "PC-KHO", certificates: [token(1, { usable: false })] }),
    ];
    await tell("tokens");
    expect(await waitFor(`${WIDGET} .o_l10n_vn_ibhxh_no_token`, PATIENT)).toHaveText(/no valid token of this company/);
    expect(LINE).toHaveText("PC-KHO");
    await expect.waitForSteps(["get_live 1", "read"], PATIENT);
});

test("computers and tokens, with what cannot sign told apart", async () => {
    await open(
        computer({
            certificates: [
                token(1),
                token(2, { usable: false, expired: true }),
                token(3, { usable: false, tax_code: "0101243150" }),
            ],
        }),
        computer({ id: 2, name: "PC-KHO", online: false }),
    );
    await contains(UNFOLD).click();
    expect(WIDGET).toHaveAttribute("aria-label", "Computers and tokens");
    expect(WIDGET).toHaveAttribute("aria-live", "polite");
    expect(`${WIDGET} [role='status']`).toHaveCount(0);
    expect(`${COMPUTER}[data-name='PC-KETOAN'] .badge`).toHaveText("online");
    expect(`${COMPUTER}[data-name='PC-KHO'] .badge`).toHaveText("offline");
    expect(`${COMPUTER}[data-name='PC-KHO']`).toHaveText(/Last seen: 1 hour ago/);
    expect(`${COMPUTER} .small:eq(0)`).toHaveText("Token 1 · VNPT-CA · 03/02/2027");
    expect(`${COMPUTER} .small:eq(1)`).toHaveText(/expired: renew it/);
    expect(`${COMPUTER} .small:eq(2)`).toHaveText(/of tax code 0101243150, not for this company/);
    expect(`${WIDGET} i.fa:not([aria-hidden='true'])`).toHaveCount(0, { message: "no icon is read aloud" });
});

test("what keeps a computer from seeing its token is said, as text", async () => {
    await open(computer({ problems: ["The token driver <b>BkavCA.dll</b> crashed.", "No token is seen."] }));
    expect(`${WIDGET} .o_l10n_vn_ibhxh_problem`).toHaveText("The token driver <b>BkavCA.dll</b> crashed.");
    await contains(`${WIDGET} .o_l10n_vn_ibhxh_unfold`).click();
    expect(`${WIDGET} li .text-warning-emphasis`).toHaveCount(2);
});

test("many tokens of other companies are only counted", async () => {
    const others = [2, 3, 4].map((id) => token(id, { usable: false }));
    await open(computer({ certificates: [token(1), ...others] }));
    expect(PLUGGED).toHaveCount(1);
    await contains(UNFOLD).click();
    expect(COMPUTER).toHaveText(/and 3 certificates of other tax codes/);
});

test("a token that is plugged in appears, and the record is read again", async () => {
    const answer = await open(computer());
    expect(".o_l10n_vn_ibhxh_no_token").toHaveCount(1);
    answer.computers = [computer({ certificates: [token(1)] })];
    await tell("tokens");
    await waitFor(PLUGGED, PATIENT);
    expect(".o_l10n_vn_ibhxh_no_token").toHaveCount(0);
    await expect.waitForSteps(["get_live 1", "read"], PATIENT);
});

test("a computer that asks for the PIN says so, and the record stays as it is", async () => {
    const answer = await open(computer({ certificates: [token(1)] }));
    answer.computers = [computer({ certificates: [token(1)], asking: true })];
    await tell("signing", { ids: [1], model: "l10n_vn_ibhxh.registration" });
    expect(await waitFor(".o_l10n_vn_ibhxh_asking", PATIENT)).toHaveText("asks for the PIN");
    await expect.waitForSteps(["get_live 1"], PATIENT);
});

test("what a person is typing is kept when a token comes", async () => {
    const answer = await open(computer());
    await contains(".o_field_widget[name='name'] input").edit("typed");
    answer.computers = [computer({ certificates: [token(1)] })];
    await tell("tokens");
    expect(".o_field_widget[name='name'] input").toHaveValue("typed");
    await expect.waitForSteps(["get_live 1"], PATIENT);
});

test("looks again when a computer will count as silent", async () => {
    const answer = await open(computer({ certificates: [token(1)] }));
    answer.look_again = 90;
    await tell("tokens");
    await expect.waitForSteps(["get_live 1"], PATIENT);
    answer.look_again = false;
    answer.computers = [computer({ online: false })];
    await advanceTime(89_000);
    expect.verifySteps([]);
    await advanceTime(1_000);
    await waitFor(".o_l10n_vn_ibhxh_all_offline", PATIENT);
    await expect.waitForSteps(["get_live 1", "read"], PATIENT);
});

test("asks no more once it has left the page", async () => {
    const answer = await open(computer());
    answer.look_again = 90;
    await tell("tokens");
    await expect.waitForSteps(["get_live 1"], PATIENT);
    patchWithCleanup(ComputersWidget.prototype, {
        refresh() {
            expect.step("refresh");
        },
    });
    await contains(".o_field_widget[name='is_shown'] input").click();
    expect(WIDGET).toHaveCount(0);
    await tell("tokens");
    await advanceTime(120_000);
    expect.verifySteps([]);
});
