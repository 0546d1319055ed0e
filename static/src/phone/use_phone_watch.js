import { onMounted, onWillDestroy } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

const ASK_MS = 5000;

/**
 * While something waits on a phone, have the server ask the signing service as soon as that is allowed again.
 *
 * Without an open page the scheduled action asks about once a minute; a person who looks at the page sees it within
 * seconds. A tab in the background asks nothing, and what fails is asked again by the next turn.
 *
 * @param {() => { resModel: string, resId: number | false, isWaiting: boolean }} get what is shown now
 */
export function usePhoneWatch(get) {
    const orm = useService("orm");
    let timer;
    let isOver = false;

    async function turn() {
        const { resModel, resId, isWaiting } = get();
        if (isWaiting && resId && !document.hidden) {
            try {
                await orm.silent.call(resModel, "action_ask_phone", [[resId]]);
            } catch {
                // A lost connection shows itself elsewhere.
            }
        }
        schedule();
    }

    function schedule() {
        if (!isOver) {
            timer = browser.setTimeout(turn, ASK_MS);
        }
    }

    onMounted(schedule);
    onWillDestroy(() => {
        isOver = true;
        browser.clearTimeout(timer);
    });
}
