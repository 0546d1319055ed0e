import { Component, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const ORDER = ["blocking", "warning", "unasked", "passed"];
const ICONS = {
    blocking: "fa-times-circle text-danger",
    warning: "fa-exclamation-triangle text-warning",
    unasked: "fa-question-circle text-muted",
    passed: "fa-check-circle text-success",
};

const MATTERS = ["blocking", "warning"];

/**
 * The checks before signing: what blocks first, each with a link to the input or the action that resolves it.
 * Checks that passed, and those that need the network and were not made yet, are folded away.
 */
export class PreflightField extends Component {
    static template = "l10n_vn_ibhxh.PreflightField";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ checking: false, isUnfolded: false });
    }

    get rows() {
        const rows = this.props.record.data[this.props.name] || [];
        return ORDER.flatMap((level) => rows.filter((row) => row.level === level));
    }

    get shown() {
        return this.state.isUnfolded ? this.rows : this.rows.filter((row) => MATTERS.includes(row.level));
    }

    get isBlocked() {
        return this.rows.some((row) => row.level === "blocking");
    }

    get isClear() {
        return !this.rows.some((row) => MATTERS.includes(row.level));
    }

    get foldedCount() {
        return this.rows.filter((row) => !MATTERS.includes(row.level)).length;
    }

    toggle() {
        this.state.isUnfolded = !this.state.isUnfolded;
    }

    icon(row) {
        return `fa ${ICONS[row.level]}`;
    }

    label(row) {
        return {
            blocking: _t("Blocks signing"),
            warning: _t("Please check"),
            unasked: _t("Not asked yet"),
            passed: _t("Passed"),
        }[row.level];
    }

    /** Put the cursor into the input that resolves a finding. */
    focus(row) {
        const scope = this.rootElement();
        const holder = scope.querySelector(`.o_field_widget[name="${row.field}"]:not(summary *)`);
        holder?.closest("details")?.setAttribute("open", "");
        const input = holder?.querySelector("input, textarea, select, [tabindex]") || holder;
        input?.scrollIntoView({ block: "center" });
        input?.focus();
    }

    rootElement() {
        const selector = ".o_form_view";
        return document.querySelector(`.modal:not(.o_inactive_modal) ${selector}`) || document.querySelector(selector);
    }

    isFocusable(row) {
        return row.field && row.field in this.props.record.activeFields && !row.action;
    }

    async resolve(row) {
        const { record } = this.props;
        if (await record.save()) {
            const action = await this.orm.call(record.resModel, row.action, [[record.resId]]);
            await this.action.doAction(action);
        }
    }

    async checkNow() {
        const { record } = this.props;
        if (!(await record.save())) {
            return;
        }
        this.state.checking = true;
        try {
            await this.orm.call(record.resModel, "action_preflight_check", [[record.resId]]);
            await record.load();
        } finally {
            this.state.checking = false;
        }
    }
}

export const preflightField = {
    component: PreflightField,
    displayName: _t("Checks before signing"),
    supportedTypes: ["json"],
};

registry.category("fields").add("l10n_vn_ibhxh_preflight", preflightField);
