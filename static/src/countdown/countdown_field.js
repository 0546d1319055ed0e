import { Component, onMounted, onWillDestroy, onWillUpdateProps, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { formatDateTime } from "@web/core/l10n/dates";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Time that is left until a datetime, ticking.
 *
 * The remaining time is computed again at each tick from the deadline, so a sleeping laptop or a throttled tab shows
 * the right value on its next tick. When the record also carries the seconds that the server counted (option
 * `seconds_field`), a wrong clock on the PC is corrected by the difference.
 */
export class CountdownField extends Component {
    static template = "l10n_vn_ibhxh.CountdownField";
    static props = { ...standardFieldProps, secondsField: { type: String, optional: true } };

    setup() {
        this.state = useState({ left: 0, announced: "" });
        this.skew = 0;
        this.correct(this.props);
        this.update();
        onWillUpdateProps((nextProps) => {
            this.correct(nextProps);
            this.update(nextProps);
            this.schedule();
        });
        onMounted(() => this.schedule());
        onWillDestroy(() => browser.clearTimeout(this.timer));
    }

    /** Note by how much this PC's clock is ahead of the server's, in milliseconds, each time a new count is read. */
    correct({ record, name, secondsField }) {
        const deadline = record.data[name];
        const seconds = secondsField ? record.data[secondsField] : null;
        if (!deadline || typeof seconds !== "number") {
            return;
        }
        const read = `${deadline.toMillis()}:${seconds}`;
        if (read !== this.read) {
            this.read = read;
            this.skew = Date.now() - (deadline.toMillis() - seconds * SECOND);
        }
    }

    update({ record, name } = this.props) {
        const deadline = record.data[name];
        this.state.left = deadline ? deadline.toMillis() - (Date.now() - this.skew) : null;
        const minute = this.state.left === null ? null : Math.ceil(this.state.left / MINUTE);
        if (minute !== this.minute) {
            this.minute = minute;
            this.state.announced = this.sentence;
        }
    }

    /** Tick on the whole seconds of what is left; nothing ticks once the time is over. */
    schedule() {
        browser.clearTimeout(this.timer);
        if (this.state.left > 0) {
            this.timer = browser.setTimeout(
                () => {
                    this.update();
                    this.schedule();
                },
                this.state.left % SECOND || SECOND,
            );
        }
    }

    get parts() {
        const left = Math.max(this.state.left, 0);
        const two = (value) => String(value).padStart(2, "0");
        return {
            days: Math.floor(left / DAY),
            clock: [
                Math.floor((left % DAY) / HOUR),
                Math.floor((left % HOUR) / MINUTE),
                Math.floor((left % MINUTE) / SECOND),
            ]
                .map(two)
                .join(":"),
        };
    }

    get isOver() {
        return this.state.left <= 0;
    }

    get className() {
        if (this.isOver || this.state.left < HOUR) {
            return "text-danger fw-bold";
        }
        return this.state.left < 6 * HOUR ? "text-warning-emphasis fw-bold" : "";
    }

    get text() {
        if (this.isOver) {
            return _t("expired");
        }
        const { days, clock } = this.parts;
        return days ? _t("%(days)s d %(clock)s", { days, clock }) : clock;
    }

    /** What a screen reader says once a minute. */
    get sentence() {
        if (this.state.left === null) {
            return "";
        }
        if (this.isOver) {
            return _t("The time is over.");
        }
        const hours = Math.floor(this.state.left / HOUR);
        const minutes = Math.floor((this.state.left % HOUR) / MINUTE);
        return _t("%(hours)s hours %(minutes)s minutes left", { hours, minutes });
    }

    get deadline() {
        const value = this.props.record.data[this.props.name];
        return value ? formatDateTime(value) : "";
    }
}

export const countdownField = {
    component: CountdownField,
    displayName: _t("Countdown"),
    supportedTypes: ["datetime"],
    supportedOptions: [{ label: _t("Field with the seconds that are left"), name: "seconds_field", type: "field" }],
    fieldDependencies: ({ options }) =>
        options.seconds_field ? [{ name: options.seconds_field, type: "integer", readonly: true }] : [],
    extractProps: ({ options }) => ({ secondsField: options.seconds_field }),
};

registry.category("fields").add("l10n_vn_ibhxh_countdown", countdownField);
