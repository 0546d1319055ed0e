"""``ibhxh-agent self-test``: every part that this program brings along starts, without a server or a token.

A frozen program lacks whatever its recipe does not see, and shows that only where the part is needed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ibhxh_agent.children import Child, ChildError
from ibhxh_agent.prompt.choose import has_display
from ibhxh_agent.tokens.discovery import children


def run(environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each part with what is wrong with it; empty = it works.

    :param environment: tells whether windows can be shown
    """
    parts: dict[str, Callable[[], None]] = {
        "libraries.json": _library_list,
        "release_keys.json": _release_keys,
        "XML signatures": _signature,
        "token child": _token_child,
        "keyring": _keyring,
    }
    if has_display(sys.platform, environment):
        parts |= {"window": _window, "tray icon": _tray}
    for machine, program in children():
        parts[f"token child, {machine}"] = partial(_token_child, program)
    for name, check in parts.items():
        try:
            check()
        except Exception as error:  # whatever is missing, the next part is looked at as well
            yield name, f"{type(error).__name__}: {error}"
        else:
            yield name, ""


def _import(name: str) -> None:
    importlib.import_module(name)


def _library_list() -> None:
    from ibhxh_agent.tokens.discovery import find_libraries

    find_libraries()


def _release_keys() -> None:
    from ibhxh_agent.release import built_in_keys

    built_in_keys()


def _signature() -> None:
    _import("ibhxh_agent.xmlsign")
    _import("signxml")


def _keyring() -> None:
    from ibhxh_agent.secretstore import usable_keyring

    _import("keyring")
    # Each Windows and macOS has one: without it, Odoo's key would lie in a file.
    if sys.platform in ("win32", "darwin") and usable_keyring() is None:
        raise RuntimeError("no keyring")


def _token_child(program: Path | None = None) -> None:
    child = Child("token", program)
    try:
        child.send({"op": "ping"})
        if child.receive(60)[0] != {"ok": True}:
            raise ChildError("garbage")
    finally:
        child.finish(5)


def _window() -> None:
    import tkinter

    _import("ibhxh_agent.prompt.window_child")
    _import("ibhxh_agent.panel_child")
    tkinter.Tk().destroy()


def _tray() -> None:
    from ibhxh_agent.tray import Tray

    if Tray.create(lambda _action: None) is None:
        raise RuntimeError("no icon")
