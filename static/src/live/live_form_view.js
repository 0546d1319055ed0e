import { registry } from "@web/core/registry";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";

import { MenuButtonsArchParser, menuButtonItems } from "../forms/menu_buttons";
import { useLiveReload } from "./use_live_reload";

/** A form that follows its record while it moves on the server. What a person is typing is never overwritten. */
export class LiveFormController extends FormController {
    setup() {
        super.setup();
        this.hasMissedChange = false;
        useLiveReload({
            types: ["l10n_vn_ibhxh/registration", "l10n_vn_ibhxh/signing", "l10n_vn_ibhxh/tokens"],
            concerns: (payload, type) => this.isConcernedBy(payload, type),
            reload: () => this.reloadUnlessEdited(),
        });
    }

    /** Whether a bus message is about the record on the screen. */
    isConcernedBy(payload, type) {
        const { resId, resModel, data } = this.model.root;
        if (!resId) {
            return false;
        }
        if (type === "l10n_vn_ibhxh/signing") {
            return payload.model === resModel && payload.ids.includes(resId);
        }
        if (type === "l10n_vn_ibhxh/tokens") {
            return data.state === "to_sign";
        }
        return payload.id === resId || (payload.ids || []).includes(resId);
    }

    async reloadUnlessEdited() {
        this.hasMissedChange = await this.model.root.isDirty();
        if (!this.hasMissedChange) {
            await this.model.load();
        }
    }

    getStaticActionMenuItems() {
        return { ...super.getStaticActionMenuItems(), ...menuButtonItems(this) };
    }

    async discard() {
        await super.discard(...arguments);
        if (this.hasMissedChange && !this.env.inDialog) {
            await this.reloadUnlessEdited();
        }
    }
}

registry.category("views").add("l10n_vn_ibhxh_live_form", {
    ...formView,
    ArchParser: MenuButtonsArchParser,
    Controller: LiveFormController,
});
