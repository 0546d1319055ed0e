import { Component, onWillDestroy, onWillStart, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { CopyButton } from "@web/core/copy_button/copy_button";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { useLiveReload } from "../live/use_live_reload";

const SECOND = 1000;
// Of the person's name in the link: a longer one would make it longer than the program takes.
const MOST_OF_NAME = 60;

/**
 * The dialog that pairs a computer: the program to download, the link that pairs this computer, the code for another
 * one, and how far it is: waiting, paired, token seen, or what is missing.
 *
 * The bus says when there is news; what is shown is read with the user's own rights. The time that is left comes from
 * the server, so a wrong clock on the PC does not matter.
 */
export class PairingWidget extends Component {
    static template = "l10n_vn_ibhxh.PairingWidget";
    static components = { CopyButton };
    static props = { ...standardWidgetProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ state: "waiting", computer: false, left: 0, downloads: [] });
        useLiveReload({ types: ["l10n_vn_ibhxh/tokens"], reload: () => this.load() });
        onWillStart(async () => {
            const downloads = this.orm.call("l10n_vn_ibhxh.agent.release", "get_downloads", []);
            await this.load();
            this.state.downloads = await downloads;
        });
        onWillDestroy(() => {
            browser.clearTimeout(this.timer);
            browser.clearTimeout(this.clock);
        });
    }

    get data() {
        return this.props.record.data;
    }

    async load() {
        const asked = (this.asked = (this.asked || 0) + 1);
        const id = this.props.record.context.l10n_vn_ibhxh_pairing_id;
        const live = await this.orm.call("l10n_vn_ibhxh.agent.pairing", "get_live", [id ? [id] : []]);
        if (asked !== this.asked) {
            return; // a newer answer is on its way or here already
        }
        this.state.state = live.state;
        this.state.computer = live.computer;
        this.deadline = Date.now() + live.seconds_left * SECOND;
        this.tick();
        browser.clearTimeout(this.timer);
        if (live.look_again) {
            this.timer = browser.setTimeout(() => this.load(), live.look_again * SECOND);
        }
    }

    tick() {
        browser.clearTimeout(this.clock);
        this.state.left = Math.max(0, Math.ceil((this.deadline - Date.now()) / SECOND));
        if (this.state.left) {
            this.clock = browser.setTimeout(() => this.tick(), SECOND);
        }
    }

    get isOpen() {
        return this.state.state === "waiting" && this.state.left > 0;
    }

    get isPaired() {
        return this.state.state === "paired";
    }

    get timeLeft() {
        return `${Math.floor(this.state.left / 60)}:${String(this.state.left % 60).padStart(2, "0")}`;
    }

    /** Opens the program on this computer, which asks the person before it pairs. */
    get link() {
        const { server_url: server, database, code } = this.data;
        const query = new URLSearchParams({ server, database, code, user: user.name.slice(0, MOST_OF_NAME) });
        return `ibhxh-agent://pair?${query}`;
    }

    get copied() {
        return _t("Copied");
    }

    megabytes(download) {
        return Math.max(1, Math.round(download.size / 2 ** 20));
    }

    /** Another code; Odoo asks for the password again when that was more than ten minutes ago. */
    async renew() {
        const action = await this.orm.call("l10n_vn_ibhxh.agent.pairing", "action_new_code", [[]]);
        return this.action.doAction(action);
    }
}

registry.category("view_widgets").add("l10n_vn_ibhxh_pairing", {
    component: PairingWidget,
    fieldDependencies: [
        { name: "code", type: "char" },
        { name: "server_url", type: "char" },
        { name: "database", type: "char" },
    ],
});
