import { advanceTime, expect, freezeTime, mockDate, queryOne, test, waitFor, waitForNone } from "@odoo/hoot";
import { contains, mockService, mountView, onRpc } from "@web/../tests/web_test_helpers";

import { defineIbhxhModels, PATIENT, tell } from "./ibhxh_test_helpers";

const DIALOG = ".o_l10n_vn_ibhxh_pairing";
const STATUS = `${DIALOG} .o_l10n_vn_ibhxh_pairing_status`;
const CODE = `${DIALOG} .o_l10n_vn_ibhxh_pairing_code`;
const NEW_CODE = `${DIALOG} .o_l10n_vn_ibhxh_new_code`;
const WAITING = { state: "waiting", seconds_left: 600, computer: false, look_again: 600 };

defineIbhxhModels();

const paired = (computer = {}) => ({
    state: "paired",
    seconds_left: 0,
    look_again: false,
    computer: {
        name: "PC-KETOAN",
        user: "Lan",
        online: true,
        has_reported: true,
        certificates: [],
        problems: [],
        ...computer,
    },
});

const download = (values = {}) => ({
    platform: "windows-x86_64",
    name: "Windows",
    url: "/l10n_vn_ibhxh/agent/installer/1",
    version: "19.0.2.0.0",
    size: 28 * 2 ** 20,
    sha256: "ab".repeat(32),
    ...values,
});

/** Open the dialog of pairing 7; gives what the server answers next, to be changed. */
async function open({ live = WAITING, downloads = [] } = {}) {
    freezeTime();
    mockDate("2026-03-02 03:00:00", 0);
    const answer = { live };
    onRpc("l10n_vn_ibhxh.agent.pairing", "get_live", ({ args }) => {
        expect.step(`get_live ${args}`);
        return answer.live;
    });
    onRpc("l10n_vn_ibhxh.agent.release", "get_downloads", () => downloads);
    await mountView({
        type: "form",
        resModel: "l10n_vn_ibhxh.agent.pairing",
        context: {
            default_code: "K7QM-3XPA",
            default_server_url: "https://odoo.congty.vn",
            default_database: "cty & con",
            l10n_vn_ibhxh_pairing_id: 7,
        },
        arch: `<form><field name="code" invisible="1" /><widget name="l10n_vn_ibhxh_pairing" /></form>`,
    });
    expect.verifySteps(["get_live 7"]);
    return answer;
}

/** Let the page hear that there is news of a computer, and let its pause pass. */
async function hear() {
    await tell("tokens");
    await advanceTime(500);
}

test("it shows the program, the link and the code", async () => {
    await open({ downloads: [download(), download({ platform: "macos-arm64", name: "macOS", sha256: false })] });
    const links = `${DIALOG} a.o_l10n_vn_ibhxh_download`;
    expect(links).toHaveCount(2);
    expect(`${links}:first`).toHaveAttribute("href", "/l10n_vn_ibhxh/agent/installer/1");
    expect(`${DIALOG} details`).toHaveCount(1);
    expect(queryOne(`${DIALOG} details code`).textContent).toBe("ab".repeat(32));
    expect(CODE).toHaveText("K7QM-3XPA");
    expect(`${DIALOG} a.o_l10n_vn_ibhxh_pair_here`).toHaveAttribute(
        "href",
        "ibhxh-agent://pair?server=https%3A%2F%2Fodoo.congty.vn&database=cty+%26+con&code=K7QM-3XPA&user=Mitchell+Admin",
    );
    expect(STATUS).toHaveText("Waiting for the computer…");
    expect(STATUS).toHaveAttribute("aria-live", "polite");
    expect(`${DIALOG} i.fa:not([aria-hidden='true'])`).toHaveCount(0, { message: "no icon is read aloud" });
});

test("without a program in Odoo it says who puts it there, and where", async () => {
    await open();
    expect(`${DIALOG} .o_l10n_vn_ibhxh_no_download`).toHaveText(
        /does not offer the program yet[\s\S]*Configuration > Program for computers[\s\S]*Settings > iBHXH/,
    );
});

test("from the code to the token, by itself", async () => {
    const answer = await open();
    answer.live = paired({ has_reported: false });
    await hear();
    await waitFor(`${STATUS} .o_l10n_vn_ibhxh_paired`, PATIENT);
    expect(STATUS).toHaveText(/“PC-KETOAN” is paired, for\s+Lan[\s\S]*Looking for the token/);
    expect(CODE).toHaveCount(0, { message: "the code is used" });
    answer.live = paired({ problems: ["The token driver BkavCA.dll crashed.", "<b>No token</b> is seen."] });
    await hear();
    expect(await waitFor(`${STATUS} .o_l10n_vn_ibhxh_problems`, PATIENT)).toHaveText(
        /BkavCA.dll crashed.[\s\S]*<b>No token<\/b> is seen./,
    );
    answer.live = paired({ certificates: [{ name: "CÔNG TY A", tax_code: "0100109106", is_valid: true }] });
    await hear();
    expect(await waitFor(`${STATUS} .o_l10n_vn_ibhxh_token_seen`, PATIENT)).toHaveText(
        "Token seen: CÔNG TY A, tax code 0100109106",
    );
    expect(`${STATUS} .o_l10n_vn_ibhxh_problems`).toHaveCount(0);
    answer.live = paired({ online: false });
    await hear();
    await waitForNone(`${STATUS} .o_l10n_vn_ibhxh_token_seen`, PATIENT);
    expect(STATUS).toHaveText(/does not answer/);
    expect.verifySteps(["get_live 7", "get_live 7", "get_live 7", "get_live 7"]);
});

test("the time that is left is the server's, and a new code can be had", async () => {
    mockService("action", {
        doAction(action) {
            expect.step(action.name);
        },
    });
    onRpc("l10n_vn_ibhxh.agent.pairing", "action_new_code", () => ({ name: "the next dialog" }));
    const answer = await open({ live: { ...WAITING, seconds_left: 62, look_again: 62 } });
    expect(`${DIALOG} .o_l10n_vn_ibhxh_time_left`).toHaveText("1:02");
    await advanceTime(3_000);
    expect(`${DIALOG} .o_l10n_vn_ibhxh_time_left`).toHaveText("0:59");
    await contains(NEW_CODE).click();
    expect.verifySteps(["the next dialog"]);
    answer.live = { state: "expired", seconds_left: 0, computer: false, look_again: false };
    await advanceTime(60_000);
    await waitFor(`${DIALOG}[data-state='expired']`, PATIENT);
    expect(STATUS).toHaveText(/time is over/);
    expect(CODE).toHaveCount(0);
    await contains(NEW_CODE).click();
    await expect.waitForSteps(["get_live 7", "the next dialog"], PATIENT);
});
