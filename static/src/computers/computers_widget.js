import { Component, onWillDestroy, onWillStart, onWillUpdateProps, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { formatDate, deserializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { useLiveReload } from "../live/use_live_reload";

// A computer of an accounting firm may hold the tokens of many companies; more than these are only counted.
const MOST_UNUSABLE = 2;

/**
 * Which computers are on and which certificates are plugged in right now, for the company of the record.
 *
 * One line says which computer will sign, or what is wrong; all computers with their tokens unfold below it.
 *
 * The bus announces computers that come, tokens that are plugged in or pulled out and requests that a computer takes.
 * Silence cannot be announced, so the server says when each computer will count as silent, and the widget looks again
 * at that moment.
 */
export class ComputersWidget extends Component {
    static template = "l10n_vn_ibhxh.ComputersWidget";
    static props = { ...standardWidgetProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ computers: [], isUnfolded: false });
        useLiveReload({
            types: ["l10n_vn_ibhxh/tokens", "l10n_vn_ibhxh/signing"],
            reload: () => this.refresh(),
        });
        onWillStart(() => this.load(this.companyOf(this.props)));
        onWillUpdateProps((nextProps) => {
            if (this.companyOf(nextProps) !== this.companyId) {
                return this.load(this.companyOf(nextProps));
            }
        });
        onWillDestroy(() => browser.clearTimeout(this.timer));
    }

    companyOf({ record }) {
        return record.data.company_id?.id || false;
    }

    async load(companyId) {
        this.companyId = companyId;
        const asked = (this.asked = (this.asked || 0) + 1);
        const { computers, look_again } = companyId
            ? await this.orm.call("l10n_vn_ibhxh.agent", "get_live", [companyId])
            : { computers: [], look_again: false };
        if (asked !== this.asked) {
            return; // a newer answer is on its way or here already
        }
        this.state.computers = computers;
        browser.clearTimeout(this.timer);
        if (look_again) {
            this.timer = browser.setTimeout(() => this.refresh(), look_again * 1000);
        }
    }

    /** Look again; when what may be signed with has changed, let the record look again as well. */
    async refresh() {
        const before = this.signature;
        await this.load(this.companyId);
        if (before !== this.signature) {
            await this.reloadRecord();
        }
    }

    async reloadRecord() {
        const { record } = this.props;
        if (record.isNew) {
            // The proposals of an unsaved form depend on the company: naming it again asks the server for new ones.
            await record.update({ company_id: record.data.company_id });
        } else if (!(await record.isDirty())) {
            await record.load();
        }
    }

    /** What decides about the proposals of the record. */
    get signature() {
        return JSON.stringify(
            this.state.computers.map((computer) => [
                computer.id,
                computer.online,
                computer.certificates.map((certificate) => [certificate.id, certificate.usable]),
            ]),
        );
    }

    pair() {
        return this.action.doAction("l10n_vn_ibhxh.action_pair_computer");
    }

    /** The computer that the line is about: the one that is being used, else the one that is nearest to signing. */
    get main() {
        const { computers } = this.state;
        return (
            computers.find((computer) => computer.online && computer.asking) ||
            computers.find((computer) => computer.online && this.usable(computer)) ||
            computers.find((computer) => computer.online) ||
            computers[0]
        );
    }

    /** The first certificate on a computer that can sign for the company. */
    usable(computer) {
        return computer.certificates.find((certificate) => certificate.usable);
    }

    get isWrong() {
        return !this.main?.online || !(this.main.asking || this.usable(this.main));
    }

    toggle() {
        this.state.isUnfolded = !this.state.isUnfolded;
    }

    /** The certificates to show one by one: those that can sign, and the others as long as they are few. */
    detailed({ certificates }) {
        const unusable = certificates.filter((certificate) => !certificate.usable);
        return unusable.length > MOST_UNUSABLE
            ? certificates.filter((certificate) => certificate.usable)
            : certificates;
    }

    others(computer) {
        return computer.certificates.length - this.detailed(computer).length;
    }

    validUntil(certificate) {
        return formatDate(deserializeDateTime(certificate.not_after));
    }

    lastSeen(computer) {
        return computer.last_seen_at ? deserializeDateTime(computer.last_seen_at).toRelative() : _t("never");
    }
}

registry.category("view_widgets").add("l10n_vn_ibhxh_computers", {
    component: ComputersWidget,
    fieldDependencies: [{ name: "company_id", type: "many2one", relation: "res.company" }],
});
