"""A person's web session in Odoo: the same JSON-RPC calls that the web client makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

TIMEOUT = 120


class OdooError(Exception):
    """What Odoo answered instead of a result: its sentence for the person."""


class Person:
    """One logged-in user."""

    def __init__(self, url: str, database: str, login: str, password: str, *, trust: Path | None = None) -> None:
        """Log in.

        :param trust: the certificate of the authority that is trusted instead of the usual ones
        :raises OdooError: when Odoo refuses
        """
        self._url = url
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(trust) if trust else True
        answer = self._post("/web/session/authenticate", {"db": database, "login": login, "password": password})
        self.uid: int = answer["uid"]
        self.name: str = answer["name"]
        self._context: dict[str, Any] = {**answer["user_context"]}

    @property
    def session_id(self) -> str:
        """The cookie by which Odoo knows this person."""
        return self._session.cookies["session_id"]

    def _post(self, path: str, parameters: dict[str, Any]) -> Any:
        body = {"jsonrpc": "2.0", "method": "call", "params": parameters}
        answer = self._session.post(f"{self._url}{path}", json=body, timeout=TIMEOUT).json()
        if "error" in answer:
            raise OdooError(answer["error"].get("data", {}).get("message") or answer["error"]["message"])
        return answer["result"]

    def act_for(self, company: int) -> None:
        """Choose one company in the company menu."""
        self._context["allowed_company_ids"] = [company]

    def call(self, model: str, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Call a public method of a model.

        :raises OdooError: with Odoo's sentence
        """
        keywords["context"] = {**self._context, **keywords.get("context", {})}
        return self._post(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(arguments), "kwargs": keywords},
        )

    def create(self, model: str, **values: Any) -> int:
        """Create one record; returns its id."""
        made: int = self.call(model, "create", [values])[0]
        return made

    def read(self, model: str, record: int, *fields: str) -> dict[str, Any]:
        """Read fields of one record; a many2one is `[id, name]` or False."""
        row: dict[str, Any] = self.call(model, "read", [record], list(fields))[0]
        return row

    def find(self, model: str, *domain: Any, order: str = "id desc") -> int:
        """The id of the first record that fits, or 0."""
        found = self.call(model, "search", list(domain), limit=1, order=order)
        return found[0] if found else 0

    def reference(self, xml_id: str) -> int:
        """The id of the record of an XML id."""
        module, name = xml_id.split(".")
        row = self.find("ir.model.data", ["module", "=", module], ["name", "=", name])
        return int(self.read("ir.model.data", row, "res_id")["res_id"])

    def press(self, model: str, record: int, button: str, **context: Any) -> Any:
        """Press a button of a form; the password is entered again when Odoo asks for it.

        :return: the action that Odoo answers with, if any
        """
        answer = self.call(model, button, [record] if record else [], context=context)
        if isinstance(answer, dict) and answer.get("res_model") == "res.users.identitycheck":
            answer = self.call(
                "res.users.identitycheck", "run_check", [answer["res_id"]], context={"password": self._password}
            )
        return answer
