import { Component, xml } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { usePhoneWatch } from "./use_phone_watch";

/** Shows nothing: a page of several dossiers has the signing services asked while some of them are on a phone. */
export class PhoneWatchWidget extends Component {
    static template = xml`<span class="d-none" />`;
    static props = { ...standardWidgetProps };

    setup() {
        usePhoneWatch(() => {
            const { resModel, resId, data } = this.props.record;
            return { resModel, resId, isWaiting: data.on_phone_count > 0 };
        });
    }
}

export const phoneWatchWidget = {
    component: PhoneWatchWidget,
    fieldDependencies: [{ name: "on_phone_count", type: "integer", readonly: true }],
};

registry.category("view_widgets").add("l10n_vn_ibhxh_phone_watch", phoneWatchWidget);
