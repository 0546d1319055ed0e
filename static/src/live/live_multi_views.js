import { useEffect } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { KanbanController } from "@web/views/kanban/kanban_controller";
import { kanbanView } from "@web/views/kanban/kanban_view";
import { ListController } from "@web/views/list/list_controller";
import { listView } from "@web/views/list/list_view";

import { useLiveReload } from "./use_live_reload";

const PAUSE_MS = 2000;

/** Keep a list or kanban of registrations, or of their companies, up to date; a selection is never taken away. */
function useLiveRecords(controller) {
    let hasMissedChange = false;
    const reload = async () => {
        hasMissedChange = controller.model.root.selection.length > 0;
        if (!hasMissedChange) {
            await controller.model.root.load();
        }
    };
    useLiveReload({ types: ["l10n_vn_ibhxh/registration"], reload, pause: PAUSE_MS });
    useEffect(
        (selected) => {
            if (!selected && hasMissedChange) {
                reload();
            }
        },
        () => [controller.model.root.selection.length],
    );
}

export class LiveListController extends ListController {
    setup() {
        super.setup();
        useLiveRecords(this);
    }
}

export class LiveKanbanController extends KanbanController {
    setup() {
        super.setup();
        useLiveRecords(this);
    }
}

registry.category("views").add("l10n_vn_ibhxh_live_list", { ...listView, Controller: LiveListController });
registry.category("views").add("l10n_vn_ibhxh_live_kanban", { ...kanbanView, Controller: LiveKanbanController });
