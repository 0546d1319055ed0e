import { advanceTime, animationFrame, destroy, expect, freezeTime, test, waitFor } from "@odoo/hoot";
import { contains, getService, MockServer, mountView, onRpc, patchWithCleanup } from "@web/../tests/web_test_helpers";

import { LiveFormController } from "@l10n_vn_ibhxh/live/live_form_view";
import { defineIbhxhModels, PATIENT, tell } from "./ibhxh_test_helpers";

const MODEL = "l10n_vn_ibhxh.registration";
const NAME = ".o_field_widget[name='name']";

defineIbhxhModels();

/** Open a form of registration 1, or a list of both, and count what it reads from then on. */
async function open(type, arch) {
    freezeTime();
    const view = await mountView({ type, resModel: MODEL, resId: type === "form" ? 1 : undefined, arch });
    onRpc(MODEL, type === "form" ? "web_read" : "web_search_read", () => {
        expect.step("read");
    });
    return view;
}

const openForm = (kind = "live_form") =>
    open("form", `<form js_class="l10n_vn_ibhxh_${kind}"><field name="state" /><field name="name" /></form>`);

const openList = () => open("list", `<list js_class="l10n_vn_ibhxh_live_list"><field name="name" /></list>`);

/** Let the server's copy of registration 1 change without a word. */
const rename = (name) => MockServer.env[MODEL].write([1], { name });

test("the form follows its record", async () => {
    await openForm();
    rename("BHXH/1 sent");
    await tell("registration", { id: 1 });
    await waitFor(`${NAME} input:value('BHXH/1 sent')`, PATIENT);
    await expect.waitForSteps(["read"], PATIENT);
});

test("the form leaves messages about others alone", async () => {
    await openForm();
    await tell("registration", { id: 2 });
    await tell("registration", { ids: [2, 3] });
    await tell("signing", { ids: [1], model: "res.partner" });
    await tell("signing", { ids: [2], model: MODEL });
    await tell("something", { id: 1 });
    expect.verifySteps([]);
    await tell("registration", { ids: [3, 1] });
    await expect.waitForSteps(["read"], PATIENT);
});

test("the form follows the computer that asks for the PIN", async () => {
    await openForm();
    await tell("signing", { ids: [3, 1], model: MODEL });
    await expect.waitForSteps(["read"], PATIENT);
});

test("tokens matter to the form while it waits for a signature only", async () => {
    await openForm();
    await tell("tokens");
    await expect.waitForSteps(["read"], PATIENT);
    MockServer.env[MODEL].write([1], { state: "to_activate" });
    await advanceTime(1_000);
    await tell("registration", { id: 1 });
    await expect.waitForSteps(["read"], PATIENT);
    await advanceTime(1_000);
    await tell("tokens");
    expect.verifySteps([]);
});

test("many messages lead to one more read, at the end of a pause", async () => {
    await openForm();
    for (let count = 0; count < 10; count++) {
        await tell("registration", { id: 1 });
    }
    await expect.waitForSteps(["read"], PATIENT);
    await advanceTime(200);
    await expect.waitForSteps(["read"], PATIENT);
    await advanceTime(5_000);
    expect.verifySteps([]);
});

test("what a person is typing is kept; giving it up shows what was missed", async () => {
    await openForm();
    await contains(`${NAME} input`).edit("typed", { confirm: false });
    rename("BHXH/1 sent");
    await tell("registration", { id: 1 });
    expect(`${NAME} input`).toHaveValue("typed");
    expect.verifySteps([]);
    await contains(".o_form_button_cancel").click();
    await waitFor(`${NAME} input:value('BHXH/1 sent')`, PATIENT);
    await expect.waitForSteps(["read"], PATIENT);
});

test("after a lost connection the form is read once", async () => {
    await openForm();
    getService("bus_service").trigger("BUS:RECONNECT");
    await animationFrame();
    await expect.waitForSteps(["read"], PATIENT);
});

/** Leave `form`, and let what still reaches it show. */
function leave(form) {
    patchWithCleanup(LiveFormController.prototype, {
        reloadUnlessEdited() {
            expect.step("reload");
        },
    });
    destroy(form);
}

test("a form that was left hears no more", async () => {
    leave(await openForm());
    await tell("registration", { id: 1 });
    getService("bus_service").trigger("BUS:RECONNECT");
    await advanceTime(5_000);
    expect.verifySteps([]);
});

test("a form that was left in a pause reads no more", async () => {
    const form = await openForm();
    await tell("registration", { id: 1 });
    await tell("registration", { id: 1 });
    await expect.waitForSteps(["read"], PATIENT);
    leave(form);
    await advanceTime(5_000);
    expect.verifySteps([]);
});

test("a batch follows its registrations, at most once a second", async () => {
    await openForm("live_batch_form");
    await tell("registration", { id: 7, batch_ids: [2] });
    expect.verifySteps([]);
    await tell("registration", { id: 7, batch_ids: [1] });
    await tell("registration", { id: 8, batch_ids: [1, 2] });
    await advanceTime(900);
    await expect.waitForSteps(["read"], PATIENT);
    await advanceTime(100);
    await expect.waitForSteps(["read"], PATIENT);
});

test.tags("desktop"); // rows are not selected by a box on a phone
test("a list follows, but never under a selection", async () => {
    await openList();
    rename("BHXH/1 sent");
    await tell("registration", { id: 1 });
    await waitFor(".o_data_cell:contains('BHXH/1 sent')", PATIENT);
    await expect.waitForSteps(["read"], PATIENT);
    await contains(".o_data_row:first .o_list_record_selector input").click();
    rename("BHXH/1 confirmed");
    await advanceTime(2_000);
    await tell("registration", { id: 1 });
    expect(".o_data_cell:first").toHaveText("BHXH/1 sent");
    expect.verifySteps([]);
    await contains(".o_data_row:first .o_list_record_selector input").click();
    await waitFor(".o_data_cell:contains('BHXH/1 confirmed')", PATIENT);
    await expect.waitForSteps(["read"], PATIENT);
});
