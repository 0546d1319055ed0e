import { waitNotifications } from "@bus/../tests/bus_test_helpers";
import { mailModels } from "@mail/../tests/mail_test_helpers";
import { animationFrame } from "@odoo/hoot";
import { defineModels, defineParams, fields, MockServer, models } from "@web/../tests/web_test_helpers";

/** What has to happen may take a busy machine a while: more than Hoot's own 0.2 and 2 seconds. */
export const PATIENT = { timeout: 30_000 };

/** What the tested parts read of a registration; the rest of the model is the server's business. */
export class Registration extends models.Model {
    _name = "l10n_vn_ibhxh.registration";

    name = fields.Char();
    state = fields.Selection({
        selection: [
            ["draft", "Draft"],
            ["to_sign", "To sign"],
            ["to_activate", "To activate"],
        ],
    });
    is_shown = fields.Boolean({ default: true });
    email = fields.Char();
    unit_code = fields.Char();
    company_id = fields.Many2one({ relation: "res.company" });
    activation_code = fields.Char();
    activation_url = fields.Char();
    is_link_shown = fields.Boolean();
    activation_expires_at = fields.Datetime();
    activation_seconds_left = fields.Integer();
    preflight = fields.Json();
    phone_signing = fields.Json();

    _records = [
        { id: 1, name: "BHXH/1", state: "to_sign", is_shown: true, company_id: 1 },
        { id: 2, name: "BHXH/2", state: "to_activate", is_shown: true, company_id: 1 },
    ];
}

/** A pairing is shown in an unsaved form, by its defaults. */
export class Pairing extends models.Model {
    _name = "l10n_vn_ibhxh.agent.pairing";

    code = fields.Char();
    server_url = fields.Char();
    database = fields.Char();
}

export class Release extends models.Model {
    _name = "l10n_vn_ibhxh.agent.release";
}

/** Let the mock server know the models above besides those of mail. */
export function defineIbhxhModels() {
    defineParams({ suite: "mail" }, "replace");
    return defineModels({ ...mailModels, Pairing, Registration, Release });
}

/** Let the server say something over the bus, and wait until the page has heard it. */
export async function tell(type, payload = {}) {
    const name = `l10n_vn_ibhxh/${type}`;
    MockServer.env["bus.bus"]._sendone("broadcast", name, payload);
    await waitNotifications([name, payload]);
    await animationFrame();
}
