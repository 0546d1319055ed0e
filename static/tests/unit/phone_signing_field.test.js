import { advanceTime, animationFrame, expect, mockDate, test } from "@odoo/hoot";
import { MockServer, mountView, onRpc } from "@web/../tests/web_test_helpers";

import { defineIbhxhModels, Registration, tell } from "./ibhxh_test_helpers";

const CODE = ".o_l10n_vn_ibhxh_phone_code";
const CLOCK = ".o_l10n_vn_ibhxh_phone_clock";
const SECOND = 1000;
const VALUE = {
    state: "prepared",
    code: "1234 5678",
    service: "VNPT SmartCA",
    number: "…2345",
    seconds_left: 300,
    title: "04 · Công ty An Phát",
    content: [
        ["Unit", "Công ty <b>An Phát</b>"],
        ["Tax code", "0100109106"],
    ],
};

defineIbhxhModels();

/** Open registration 1, whose request is where `changes` say. */
async function open(changes = {}) {
    mockDate("2026-03-02 03:00:00", 0);
    Registration._records[0].phone_signing = { ...VALUE, ...changes };
    await mountView({
        type: "form",
        resModel: "l10n_vn_ibhxh.registration",
        resId: 1,
        arch: `<form js_class="l10n_vn_ibhxh_live_form">
            <field name="state" />
            <field name="phone_signing" widget="l10n_vn_ibhxh_phone_signing" readonly="1" />
        </form>`,
    });
}

async function pass(milliseconds) {
    await advanceTime(milliseconds);
    await animationFrame();
}

/** The ids for which the page had the service asked. */
function watchCalls() {
    const asked = [];
    onRpc("action_ask_phone", ({ args }) => {
        asked.push(...args[0]);
        return true;
    });
    return asked;
}

/** Let the request move on the server, which says so over the bus. */
async function move(changes) {
    const value = changes && { ...VALUE, ...changes };
    MockServer.env["l10n_vn_ibhxh.registration"].write([1], { phone_signing: value });
    await tell("signing", { model: "l10n_vn_ibhxh.registration", ids: [1] });
    await pass(SECOND);
}

test("shows what is signed and the code before anything is sent, and asks nobody", async () => {
    const asked = watchCalls();
    await open();
    expect(CODE).toHaveText("1234 5678");
    expect("dl.o_l10n_vn_ibhxh_phone_content").toHaveText(/Công ty <b>An Phát<\/b>/);
    expect(CLOCK).toHaveCount(0);
    await pass(20 * SECOND);
    expect(asked).toEqual([]);
});

test("counts down while the phone waits, and has the service asked every five seconds", async () => {
    const asked = watchCalls();
    await open({ state: "waiting", seconds_left: 62 });
    expect(CLOCK).toHaveText("1:02");
    expect(CLOCK).not.toHaveClass("text-danger");
    await pass(3 * SECOND);
    expect(CLOCK).toHaveText("0:59");
    expect(CLOCK).toHaveClass("text-danger");
    expect(asked).toEqual([]);
    await pass(2 * SECOND);
    expect(asked).toEqual([1]);
    await pass(60 * SECOND);
    expect(CLOCK).toHaveText("0:00");
});

test("follows the bus: what the server says counts, not the own clock", async () => {
    onRpc("action_ask_phone", () => true);
    await open({ state: "sending", seconds_left: 300 });
    expect(CLOCK).toHaveText("5:00");
    await move({ state: "received", seconds_left: 200 });
    expect(CLOCK).toHaveCount(0);
    expect(CODE).toHaveText("1234 5678");
});

test("shows nothing where no phone signs", async () => {
    await open();
    await move(false);
    expect(".o_l10n_vn_ibhxh_phone").toHaveCount(0);
});
