import { advanceTime, animationFrame, expect, freezeTime, mockDate, queryOne, test } from "@odoo/hoot";
import { contains, mountView, patchWithCleanup } from "@web/../tests/web_test_helpers";

import { CountdownField } from "@l10n_vn_ibhxh/countdown/countdown_field";
import { defineIbhxhModels, Registration } from "./ibhxh_test_helpers";

const COUNTDOWN = ".o_l10n_vn_ibhxh_countdown";
const CLOCK = `${COUNTDOWN} [aria-hidden]`;
const ANNOUNCED = `${COUNTDOWN} .visually-hidden[aria-live='polite']`;
const SECOND = 1000;
const MINUTE = 60 * SECOND;

defineIbhxhModels();

/** Open registration 2, of which the server says that it ends at `deadline` (UTC), in `seconds`. */
async function open(deadline, { seconds = false, options = "{}" } = {}) {
    freezeTime();
    mockDate("2026-03-02 03:00:00", 0);
    Object.assign(Registration._records[1], {
        activation_expires_at: deadline,
        activation_seconds_left: seconds || 0,
    });
    await mountView({
        type: "form",
        resModel: "l10n_vn_ibhxh.registration",
        resId: 2,
        arch: `<form>
            <field name="is_shown" />
            <field name="activation_expires_at" widget="l10n_vn_ibhxh_countdown" options="${options}" readonly="1"
                invisible="not is_shown" />
        </form>`,
    });
}

async function pass(milliseconds) {
    await advanceTime(milliseconds);
    await animationFrame();
}

test("ticks, and turns urgent as the end comes near", async () => {
    await open("2026-03-03 03:00:05");
    expect(CLOCK).toHaveText("1 d 00:00:05");
    expect(COUNTDOWN).not.toHaveClass(["text-warning-emphasis", "text-danger"]);
    await pass(6 * SECOND);
    expect(CLOCK).toHaveText("23:59:59");
    await pass(18 * 60 * MINUTE);
    expect(CLOCK).toHaveText("05:59:59");
    expect(COUNTDOWN).toHaveClass("text-warning-emphasis");
    await pass(5 * 60 * MINUTE);
    expect(CLOCK).toHaveText("00:59:59");
    expect(COUNTDOWN).toHaveClass("text-danger");
});

test("ends at zero and ticks no more", async () => {
    patchWithCleanup(CountdownField.prototype, {
        update() {
            expect.step("tick");
            return super.update(...arguments);
        },
    });
    await open("2026-03-02 03:00:02");
    await pass(2 * SECOND);
    expect(CLOCK).toHaveText("expired");
    expect(ANNOUNCED).toHaveText("The time is over.");
    expect.verifySteps(["tick", "tick", "tick"]);
    await pass(5 * MINUTE);
    expect.verifySteps([]);
});

test("shows nothing without a deadline", async () => {
    await open(false);
    expect(COUNTDOWN).toHaveCount(0);
});

test("corrects the clock of a computer that is wrong by what the server counted", async () => {
    await open("2026-03-02 04:00:00", { seconds: 600, options: "{'seconds_field': 'activation_seconds_left'}" });
    expect(CLOCK).toHaveText("00:10:00");
    await pass(MINUTE);
    expect(CLOCK).toHaveText("00:09:00");
});

test("speaks once a minute and not at each second", async () => {
    await open("2026-03-02 05:00:30");
    expect(COUNTDOWN).toHaveAttribute("role", "timer");
    expect(COUNTDOWN).toHaveAttribute("title", "03/02/2026 05:00:30");
    expect(ANNOUNCED).toHaveText("2 hours 0 minutes left");
    const spoken = new MutationObserver((changes) => changes.forEach(() => expect.step("spoken")));
    spoken.observe(queryOne(ANNOUNCED), { childList: true, characterData: true, subtree: true });
    await pass(20 * SECOND);
    expect.verifySteps([]);
    await pass(70 * SECOND);
    expect(ANNOUNCED).toHaveText("1 hours 59 minutes left");
    spoken.disconnect();
    expect.verifySteps(["spoken"]);
});

test("stops ticking when it leaves the page", async () => {
    await open("2026-03-02 04:00:00");
    patchWithCleanup(CountdownField.prototype, {
        update() {
            expect.step("tick");
            return super.update(...arguments);
        },
    });
    await pass(SECOND);
    expect.verifySteps(["tick"]);
    await contains(".o_field_widget[name='is_shown'] input").click();
    expect(COUNTDOWN).toHaveCount(0);
    await pass(MINUTE);
    expect.verifySteps([]);
});
