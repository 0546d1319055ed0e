/* The page lives behind the hash, as the real portal's does: the server never sees the activation token in a page
   request, so this script asks for what belongs to it. */

import { OFFLINE, ask, byId } from "./ask.js";

const UNKNOWN = {
    ok: false,
    data: { description: "Đường dẫn kích hoạt không tồn tại. Hãy kiểm tra lại thư điện tử." },
};

function show(page) {
    for (const section of document.querySelectorAll("[data-page]")) {
        section.hidden = section.dataset.page !== page;
    }
}

function fail(element, answer) {
    element.textContent = answer.data.description || OFFLINE;
    element.hidden = false;
}

let token = "";

async function showActivation(asked) {
    token = asked;
    show("activation");
    byId("activation").hidden = true;
    byId("link-error").hidden = true;
    byId("code-error").textContent = "";
    byId("done").textContent = "";
    byId("form").reset();
    const answer = /^[0-9a-f]{64}$/i.test(asked) ? await ask(`/portal/activations/${asked}`) : UNKNOWN;
    if (token !== asked) {
        return;
    }
    if (!answer.ok) {
        fail(byId("link-error"), answer);
        return;
    }
    for (const part of document.querySelectorAll("[data-edition]")) {
        part.hidden = part.dataset.edition !== answer.data.edition;
    }
    byId("reset-password").checked = answer.data.edition === "today";
    for (const field of document.querySelectorAll("[data-field]")) {
        field.textContent = answer.data[field.dataset.field] || "";
    }
    const confirmed = answer.data.state === "confirmed";
    byId("form").hidden = confirmed;
    byId("done").textContent = confirmed ? "Hồ sơ này đã được xác nhận." : "";
    byId("activation").hidden = false;
}

async function sendCode(event) {
    event.preventDefault();
    const button = byId("form").querySelector("button");
    button.disabled = true;
    byId("code-error").textContent = "";
    const answer = await ask(`/portal/activations/${token}`, {
        code: byId("code").value,
        reset_password: byId("reset-password").checked,
    });
    button.disabled = false;
    byId("code").toggleAttribute("aria-invalid", !answer.ok);
    if (!answer.ok) {
        fail(byId("code-error"), answer);
        byId("code").focus();
        return;
    }
    byId("form").hidden = true;
    byId("done").textContent = answer.data.message;
}

function cell(row, text) {
    const made = row.insertCell();
    made.textContent = text;
    return made;
}

async function showMailbox() {
    show("mailbox");
    const answer = await ask("/portal/mails");
    const mails = answer.ok ? answer.data : [];
    const rows = byId("mails").tBodies[0];
    rows.replaceChildren();
    for (const mail of mails) {
        const row = rows.insertRow();
        cell(row, mail.at);
        cell(row, mail.recipient);
        const link = document.createElement("a");
        link.href = `#/hop-thu/${mail.id}`;
        link.textContent = mail.subject;
        cell(row, "").append(link);
        cell(row, mail.sent_at ? "rồi" : mail.error || "chưa");
    }
    byId("mails").hidden = mails.length === 0;
    byId("no-mails").hidden = mails.length > 0;
}

async function showMail(id) {
    show("mail");
    const answer = await ask(`/portal/mails/${id}`);
    byId("mail-title").textContent = answer.ok ? answer.data.subject : answer.data.description;
    byId("mail-text").textContent = (answer.ok && answer.data.text) || "";
    byId("mail-text").hidden = !byId("mail-text").textContent;
    byId("mail-html").hidden = !(answer.ok && answer.data.has_html);
    if (!byId("mail-html").hidden) {
        byId("mail-html").src = `/portal/mails/${id}/html`;
    }
}

function route() {
    const [, page = "", argument = ""] = window.location.hash.split("/");
    if (page === "kich-hoat") {
        showActivation(argument);
    } else if (page === "hop-thu") {
        argument ? showMail(Number(argument) || 0) : showMailbox();
    } else {
        show(page === "" ? "home" : "unknown");
    }
}

byId("form").addEventListener("submit", sendCode);
byId("refresh").addEventListener("click", showMailbox);
window.addEventListener("hashchange", () => {
    route();
    byId("main").focus();
});
route();
