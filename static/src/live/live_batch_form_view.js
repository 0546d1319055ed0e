import { registry } from "@web/core/registry";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";

import { useLiveReload } from "./use_live_reload";

const PAUSE_MS = 1000;

/** A batch that follows its registrations: hundreds of messages become at most one reload a second. */
export class LiveBatchFormController extends FormController {
    setup() {
        super.setup();
        useLiveReload({
            types: ["l10n_vn_ibhxh/registration"],
            concerns: ({ batch_ids }) => (batch_ids || []).includes(this.model.root.resId),
            reload: () => this.reloadUnlessEdited(),
            pause: PAUSE_MS,
        });
    }

    async reloadUnlessEdited() {
        if (!(await this.model.root.isDirty())) {
            await this.model.load();
        }
    }
}

registry.category("views").add("l10n_vn_ibhxh_live_batch_form", { ...formView, Controller: LiveBatchFormController });
