import { onMounted, onWillDestroy, status, useComponent } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

/**
 * Reload when the server says over the bus that something moved.
 *
 * Messages carry no content, so what is shown always comes from a read with the user's own rights. A message that
 * arrives during a reload leads to exactly one more, one that arrives while the page is still being made to one as
 * soon as it is there, and after a lost connection there is one reload for all that may have been missed.
 *
 * @param {Object} params
 * @param {string[]} params.types bus notification types that matter
 * @param {(payload: Object, type: string) => boolean} [params.concerns] whether a message is about what is shown
 * @param {() => Promise<void>} params.reload
 * @param {number} [params.pause=0] least time between two reloads, in milliseconds
 */
export function useLiveReload({ types, concerns = () => true, reload, pause = 0 }) {
    const component = useComponent();
    const bus = useService("bus_service");
    let running = false;
    let again = false;
    let missedBefore = false;

    async function request() {
        if (status(component) === "new") {
            missedBefore = true;
            return;
        }
        if (running) {
            again = true;
            return;
        }
        running = true;
        try {
            do {
                again = false;
                if (status(component) === "destroyed") {
                    return;
                }
                await reload();
                if (pause) {
                    await new Promise((resolve) => browser.setTimeout(resolve, pause));
                }
            } while (again);
        } finally {
            running = false;
        }
    }

    const listeners = types.map((type) => {
        const listener = (payload) => {
            if (status(component) === "new" || concerns(payload, type)) {
                request();
            }
        };
        bus.subscribe(type, listener);
        return [type, listener];
    });
    bus.addEventListener("BUS:RECONNECT", request);
    bus.start();
    onMounted(() => {
        if (missedBefore) {
            request();
        }
    });
    onWillDestroy(() => {
        bus.removeEventListener("BUS:RECONNECT", request);
        for (const [type, listener] of listeners) {
            bus.unsubscribe(type, listener);
        }
    });
}
