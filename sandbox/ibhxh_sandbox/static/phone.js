/* What somebody's phone shows: the requests that wait for them, with the words and names that the service was given. */

import { OFFLINE, ask, byId } from "./ask.js";

const LOOK_MILLISECONDS = 1000;

let user = "";
let shown = "";

function element(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
}

function button(text, reference, state, done) {
    const made = element("button", text);
    made.type = "button";
    made.className = state;
    made.addEventListener("click", async () => {
        made.disabled = true;
        const answer = await ask("/phone/decide", { reference, state });
        byId("error").textContent = answer.ok ? "" : answer.data.description || OFFLINE;
        byId("said").textContent = answer.ok ? done : "";
        await look();
    });
    return made;
}

function row(request) {
    const made = document.createElement("li");
    made.append(element("h2", request.description || "Yêu cầu ký"));
    const documents = document.createElement("ul");
    for (const name of request.documents) {
        documents.append(element("li", name));
    }
    const buttons = document.createElement("p");
    buttons.append(
        button("Xác nhận ký", request.reference, "confirmed", "Đã xác nhận."),
        button("Từ chối", request.reference, "refused", "Đã từ chối."),
    );
    const left = element("p", "");
    left.dataset.left = request.reference;
    made.append(documents, left, buttons);
    return made;
}

async function look() {
    const asked = user;
    const answer = await ask(`/phone/requests?user=${encodeURIComponent(asked)}`);
    if (asked !== user) {
        return;
    }
    if (!answer.ok) {
        byId("error").textContent = answer.data.description || OFFLINE;
        return;
    }
    const { waiting, name, is_known: isKnown } = answer.data;
    byId("owner").hidden = false;
    byId("owner").textContent = isKnown ? `${name} · ${user}` : `Không có ai dưới số ${user}.`;
    byId("none").hidden = waiting.length > 0 || !isKnown;
    // Only what changed is drawn again: a button must not vanish under the finger.
    const now = JSON.stringify(waiting.map((request) => request.reference));
    if (now !== shown) {
        shown = now;
        byId("waiting").replaceChildren(...waiting.map(row));
    }
    for (const request of waiting) {
        const left = document.querySelector(`[data-left="${window.CSS.escape(request.reference)}"]`);
        left.textContent = `Còn ${request.seconds} giây`;
    }
}

async function open() {
    user = decodeURIComponent(window.location.hash.slice(1));
    byId("who").hidden = user !== "";
    byId("said").textContent = "";
    shown = "";
    if (user) {
        await look();
    }
}

byId("who").addEventListener("submit", (event) => {
    event.preventDefault();
    window.location.hash = encodeURIComponent(byId("user").value.trim());
});
window.addEventListener("hashchange", open);
setInterval(() => user && look(), LOOK_MILLISECONDS);
open();
