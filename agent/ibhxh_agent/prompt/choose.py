"""Picks the way to ask for the PIN on this computer."""

from __future__ import annotations

import sys

from ibhxh_agent.errors import AgentError
from ibhxh_agent.prompt.base import Prompt
from ibhxh_agent.prompt.descriptor import DescriptorPrompt, read_pin
from ibhxh_agent.prompt.terminal import TerminalPrompt
from ibhxh_agent.texts import text


def choose_prompt(pin_descriptor: int | None) -> Prompt:
    """The descriptor when one was given, a window where there is a display, else the terminal.

    :raises AgentError: ``no_prompt``, there is no way to ask anybody; ``bad_descriptor``
    """
    if pin_descriptor is not None:
        try:
            return DescriptorPrompt(read_pin(pin_descriptor))
        except OSError as error:
            raise AgentError("bad_descriptor", text("bad_descriptor")) from error
    if sys.stdin is not None and sys.stdin.isatty():
        return TerminalPrompt()
    raise AgentError("no_prompt", text("no_prompt"))
