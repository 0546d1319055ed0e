import { onMounted, onWillDestroy, status, useComponent } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

const PAUSE_MS = 200;

/**
 * Reload when the server says over the bus that something moved.
 *
 * Messages carry no content, so what is shown always comes from a read with the user's own rights. The first message
 * reloads at once, those that follow within the pause lead to one reload at its end, and one that arrives while the
 * page is still being made leads to one as soon as it is there. After a lost connection there is one reload for all
 * that may have been missed. A reload is never waited for: the web client drops one that a newer one overtakes, and
 * its promise then stays open for ever.
 *
 * @param {Object} params
 * @param {string[]} params.types bus notification types that matter
 * @param {(payload: Object, type: string) => boolean} [params.concerns] whether a message is about what is shown
 * @param {() => any} params.reload
 * @param {number} [params.pause] least time between two reloads, in milliseconds
 */
export function useLiveReload({ types, concerns = () => true, reload, pause = PAUSE_MS }) {
    const component = useComponent();
    const bus = useService("bus_service");
    let timer;
    let again = false;

    function request() {
        if (timer || status(component) === "new") {
            again = true;
            return;
        }
        again = false;
        timer = browser.setTimeout(next, pause);
        reload();
    }

    function next() {
        timer = undefined;
        if (again) {
            request();
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
    onMounted(next);
    onWillDestroy(() => {
        browser.clearTimeout(timer);
        bus.removeEventListener("BUS:RECONNECT", request);
        for (const [type, listener] of listeners) {
            bus.unsubscribe(type, listener);
        }
    });
}
