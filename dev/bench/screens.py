"""What people open, with thousands of companies: asked for as the web client asks, in one process.

The first opening fills the caches of views and rights and does not count.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from lxml import etree

from . import crowd, inside
from .figures import Figure

ADDON = "l10n_vn_ibhxh"
BATCH = f"{ADDON}.batch"
WIZARD = f"{ADDON}.registration.wizard"
ROWS, LINES = 80, 40
"""Rows of a list's and of an embedded list's first page, by the web client."""
TURNS = 3
SIZES = {"short": (50, 1_500), "normal": (50, 5_000), "long": (50, 5_000)}
"""Numbers of companies; Odoo reads 1 000 records at once, so more than that is many."""
SECOND, MEGABYTE = 1.0, 1_000_000
FURTHER = 2
"""Most further statements: of 40 rows of a page, some may have nothing to read."""


def figures(mode: str) -> list[Figure]:
    """Time, statements and bytes of each screen, with few companies and with many."""
    command = "./run bench --only screens"
    sizes = SIZES[mode]
    runs = [inside.run("screens", size) for size in sizes]
    few, many = runs
    shown = f"{sizes[0]} / {sizes[1]} companies"
    statements = {screen: (few[screen]["queries"], many[screen]["queries"]) for screen in many}
    found = [
        Figure(
            f"Screens, {shown}: statements",
            ", ".join(f"{screen} {less:.0f} / {more:.0f}" for screen, (less, more) in statements.items()),
            f"the same (+ {FURTHER})",
            all(more <= less + FURTHER for less, more in statements.values()),
            command,
            "Something is read of every company or line, and not of those on the page only.",
            is_exact=True,
        ),
        Figure(
            f"Screens, {shown}: kB of the answers",
            ", ".join(f"{name} {few[name]['bytes'] / 1000:.0f} / {many[name]['bytes'] / 1000:.0f}" for name in many),
            "≤ 1 MB",
            all(screen["bytes"] <= MEGABYTE for screen in many.values()),
            command,
            "An answer has more of each company or line than its number.",
            is_exact=True,
        ),
    ]
    slowest = max(many, key=lambda screen: many[screen]["seconds"])
    found.append(
        Figure(
            f"Slowest of these with {sizes[1]} ({slowest}): on the clock, of which Odoo's processor time",
            f"{many[slowest]['seconds']:.2f} s, {many[slowest]['processor']:.2f} s",
            f"≤ {SECOND:.0f} s",
            many[slowest]["seconds"] <= SECOND,
            command,
            "Other processes had the processor; see its time.",
        )
    )
    return found


def measure(env: Any, count: int) -> dict[str, dict[str, float]]:
    """Open each screen as a clerk of `count` companies, each with a registration and a line in two batches.

    Runs inside Odoo (see `inside`).

    :return: `{screen: {queries, seconds, processor, bytes}}`; seconds on the clock and of the processor (Odoo's,
        without PostgreSQL's) at the best of three openings; bytes of all answers together, as JSON
    """
    crowd.gather(env, "quiet", count)
    env = _as_clerk(env)
    drafted, started = _batches(env)
    return {
        "wizard": _opened(env, lambda env: _form(env, WIZARD, "registration_wizard_view_form")),
        "registrations": _opened(env, lambda env: _list(env, crowd.MODEL, "registration_view_list")),
        "overview": _opened(env, lambda env: _list(env, "res.company", "res_company_view_list_l10n_vn_ibhxh_overview")),
        "batches": _opened(env, lambda env: _list(env, BATCH, "batch_view_list")),
        "batch to check": _opened(env, lambda env: _form(env, BATCH, "batch_view_form", drafted)),
        "batch in progress": _opened(env, lambda env: _form(env, BATCH, "batch_view_form", started)),
        "one step of it": _opened(env, lambda env: _form(env, BATCH, "batch_view_form", started, with_view=False)),
    }


def _as_clerk(env: Any) -> Any:
    """The environment of the clerk's web client, with all companies chosen."""
    clerk = env["res.users"].search([("login", "=", crowd.CLERK)])
    env.cr.execute(
        "INSERT INTO res_company_users_rel (cid, user_id) SELECT company_id, user_id FROM l10n_vn_ibhxh_registration"
        " ON CONFLICT DO NOTHING"
    )
    env.cr.commit()
    env.invalidate_all()
    env.registry.clear_cache()
    return env(user=clerk.id, context={"allowed_company_ids": clerk.company_ids.ids, "lang": "en_US", "tz": "UTC"})


def _batches(env: Any) -> tuple[Any, Any]:
    """A batch whose companies wait to be checked, and one whose companies are registered."""
    batches = env[BATCH].sudo().create([{"user_id": env.uid}, {"user_id": env.uid, "state": "started"}])
    env.flush_all()
    env.cr.execute(
        "INSERT INTO l10n_vn_ibhxh_batch_line (batch_id, company_id, form, is_blocked, blockers, registration_id,"
        " registration_state, registration_lodging)"
        " SELECT %s, company_id, '04', id %% 2 = 0, CASE WHEN id %% 2 = 0 THEN 'No valid certificate is known.' END,"
        " NULL, NULL, NULL FROM l10n_vn_ibhxh_registration UNION ALL"
        " SELECT %s, company_id, '04', FALSE, NULL, id, state, lodging FROM l10n_vn_ibhxh_registration",
        batches.ids,
    )
    env.cr.commit()
    env.cr.execute("ANALYZE")
    env.cr.commit()
    drafted, started = batches.with_env(env)
    return drafted, started


def _opened(env: Any, screen: Any) -> dict[str, float]:
    thread = threading.current_thread()
    runs = []
    for _turn in range(1 + TURNS):
        env.cr.commit()
        env.invalidate_all()
        thread.query_count, thread.query_time = 0, 0.0  # type: ignore[attr-defined]
        started, processor = time.perf_counter(), time.process_time()
        answers = screen(env)
        runs.append(
            {
                "seconds": time.perf_counter() - started,
                "processor": time.process_time() - processor,
                "queries": thread.query_count,  # type: ignore[attr-defined]
                "bytes": len(json.dumps(answers, default=str, ensure_ascii=False).encode()),
            }
        )
    return {name: min(run[name] for run in runs[1:]) for name in runs[0]}


def _views(env: Any, model: str, view: str, kind: str) -> dict[str, Any]:
    views: dict[str, Any] = env[model].get_views([(env.ref(f"{ADDON}.{view}").id, kind), (False, "search")])
    return views


def _list(env: Any, model: str, view: str) -> list[Any]:
    name = view if view.startswith("res_") else f"{ADDON}_{view}"
    views = _views(env, model, name, "list")
    spec = _specification(env, model, etree.fromstring(views["views"]["list"]["arch"]))
    return [views, env[model].web_search_read([], spec, limit=ROWS, count_limit=10_001)]


def _form(env: Any, model: str, view: str, record: Any = None, *, with_view: bool = True) -> list[Any]:
    views = _views(env, model, f"{ADDON}_{view}", "form")
    spec = _specification(env, model, etree.fromstring(views["views"]["form"]["arch"]))
    answer = record.with_env(env).web_read(spec) if record else env[model].onchange({}, [], spec)
    return [views, answer] if with_view else [answer]


def _specification(env: Any, model: str, arch: Any) -> dict[str, Any]:
    """What the web client asks of a record for this view."""
    found: dict[str, Any] = {}
    for node in arch.xpath("descendant::field[not(ancestor::field)]"):
        field = env[model]._fields[node.get("name")]
        found[field.name] = {}
        if field.type == "many2one":
            found[field.name] = {"fields": {"display_name": {}}}
        elif field.type in ("one2many", "many2many"):
            lists = node.xpath("list") or node.xpath("kanban")
            inner = _inner(env, field.comodel_name, lists[0]) if lists else {"display_name": {}}
            found[field.name] = {"fields": inner, "limit": LINES, "order": ""}
    return found


def _inner(env: Any, model: str, arch: Any) -> dict[str, Any]:
    copy = etree.fromstring(etree.tostring(arch))
    return _specification(env, model, copy)
