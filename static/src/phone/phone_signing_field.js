import { Component, onMounted, onWillDestroy, onWillUpdateProps, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { usePhoneWatch } from "./use_phone_watch";

const SECOND = 1000;
const LAST_SECONDS = 60;

/**
 * Signing on the phone: what is signed, the code that the app shows too, and the time that is left to confirm.
 *
 * The value is `{state, code, service, number, seconds_left, title, content: [[label, value], …]}`; `seconds_left` is
 * the server's count at the moment of reading, so it does not matter what the computer's clock says.
 */
export class PhoneSigningField extends Component {
    static template = "l10n_vn_ibhxh.PhoneSigningField";
    static props = { ...standardFieldProps };

    setup() {
        this.state = useState({ left: 0 });
        this.read(this.props);
        usePhoneWatch(() => ({
            resModel: this.props.record.resModel,
            resId: this.props.record.resId,
            isWaiting: this.isWaiting,
        }));
        onWillUpdateProps((nextProps) => this.read(nextProps));
        onMounted(() => this.schedule());
        onWillDestroy(() => browser.clearTimeout(this.timer));
    }

    get value() {
        return this.props.record.data[this.props.name] || false;
    }

    /** Whether the server has something to ask the service about. */
    get isWaiting() {
        return Boolean(this.value) && this.value.state !== "prepared";
    }

    /** Whether the person can confirm now. */
    get isOnPhone() {
        return ["sending", "waiting", "unknown"].includes(this.value.state);
    }

    get isUrgent() {
        return this.state.left < LAST_SECONDS;
    }

    get clock() {
        const left = Math.max(this.state.left, 0);
        return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    }

    get where() {
        return _t("%(service)s, account %(number)s", { service: this.value.service, number: this.value.number });
    }

    /** Take the server's count over when it was read again. */
    read({ record, name }) {
        const value = record.data[name];
        if (value && value !== this.shown) {
            this.shown = value;
            this.end = Date.now() + value.seconds_left * SECOND;
            this.tick();
        }
    }

    tick() {
        this.state.left = Math.max(Math.round((this.end - Date.now()) / SECOND), 0);
    }

    schedule() {
        browser.clearTimeout(this.timer);
        this.timer = browser.setTimeout(() => {
            this.tick();
            this.schedule();
        }, SECOND);
    }
}

export const phoneSigningField = {
    component: PhoneSigningField,
    displayName: _t("Signing on the phone"),
    supportedTypes: ["json"],
};

registry.category("fields").add("l10n_vn_ibhxh_phone_signing", phoneSigningField);
