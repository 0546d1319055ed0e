"""Picks the way to ask for the PIN on this computer."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Mapping

from ibhxh_agent.errors import AgentError
from ibhxh_agent.prompt.base import Prompt
from ibhxh_agent.prompt.descriptor import DescriptorPrompt, read_pin
from ibhxh_agent.prompt.terminal import TerminalPrompt
from ibhxh_agent.prompt.window import WindowPrompt
from ibhxh_agent.texts import text

KINDS = ("auto", "window", "terminal")


def choose_prompt(
    kind: str = "auto",
    pin_descriptor: int | None = None,
    tokens: Collection[str] = (),
    stopping: Callable[[], bool] = lambda: False,
    platform: str = sys.platform,
    environment: Mapping[str, str] | None = None,
) -> Prompt:
    """The descriptor when one was given, a window where there is a display, else the terminal.

    :param kind: ``auto``, or ``window`` or ``terminal`` to insist
    :param tokens: labels of the tokens that the descriptor's PIN is for
    :param stopping: true when the agent ends, see :class:`WindowPrompt`
    :raises AgentError: ``no_prompt``, there is no way to ask anybody; ``bad_descriptor``
    """
    if pin_descriptor is not None:
        try:
            return DescriptorPrompt(read_pin(pin_descriptor), tokens)
        except OSError as error:
            raise AgentError("bad_descriptor", text("bad_descriptor")) from error
    if kind != "terminal" and can_show_windows(platform, environment):
        return WindowPrompt(stopping)
    if kind != "window" and sys.stdin is not None and sys.stdin.isatty():
        return TerminalPrompt(stopping=stopping)
    raise AgentError("no_prompt", text("no_prompt"))


def can_show_windows(platform: str = sys.platform, environment: Mapping[str, str] | None = None) -> bool:
    """There is a display, and the package for windows."""
    display = has_display(platform, os.environ if environment is None else environment)
    return display and importlib.util.find_spec("tkinter") is not None


def has_display(platform: str, environment: Mapping[str, str]) -> bool:
    """A window can be shown: always on Windows and macOS, else when X11 or Wayland is there."""
    return platform in ("win32", "darwin") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
