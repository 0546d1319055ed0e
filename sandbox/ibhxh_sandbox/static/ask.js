/* What the portal's page and the phone's page share: elements by their id, and questions to the server. */

export const byId = (id) => document.getElementById(id);
export const OFFLINE = "Không kết nối được với hệ thống. Hãy thử lại sau ít phút.";

export async function ask(path, body) {
    const options = body
        ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }
        : {};
    try {
        const response = await fetch(path, options);
        return { ok: response.ok, data: await response.json() };
    } catch {
        return { ok: false, data: { description: OFFLINE } };
    }
}
