"""The agent as a child process of the program with icon and windows: each starts the other again when it crashes.

Frames to the parent: ``state`` (the fields of :class:`ibhxh_agent.runner.State`), ``waiting`` (how many documents wait
for the person; 0 = none any more) and, at last, ``ended`` with the code and sentence of the error, if one ended it.
Frames from it: ``start``, ``open`` (show the question) and ``stop``. When it is gone without a ``stop``, the agent
ends in good order, what it holds included, and starts it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ibhxh_agent import commands, instance
from ibhxh_agent.app import STEADY_SECONDS, STOP_SECONDS, start_again
from ibhxh_agent.children import ParentPipe
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.logs import start_logging
from ibhxh_agent.prompt.announced import AnnouncedPrompt
from ibhxh_agent.runner import State
from ibhxh_agent.texts import use_language

log = logging.getLogger(__name__)


class _Pipe:
    """The parent, for several threads."""

    def __init__(self) -> None:
        self._pipe = ParentPipe(survives=True)
        self._lock = threading.Lock()

    def receive(self) -> dict[str, Any]:
        return self._pipe.receive()[0]

    def send(self, op: str, **values: object) -> None:
        with self._lock:
            self._pipe.send({"op": op, **values})


def main() -> None:
    """Work until the parent says stop or is gone, or the server refuses this computer."""
    import truststore

    forbid_memory_dumps()
    truststore.inject_into_ssl()
    pipe = _Pipe()
    start = pipe.receive()
    if start["op"] == "gone":
        return
    use_language(str(start["language"]))
    folder, libraries = Folder(Path(str(start["folder"]))), [str(entry) for entry in start["libraries"]]
    parent = _Parent(folder, libraries, int(start["crashes"]))
    code = message = ""
    try:
        _work(pipe, parent, folder, libraries)
    except AgentError as error:
        code, message = error.code, error.message
    parent.agent_ended()
    pipe.send("ended", code=code, message=message)


class _Parent:
    """The program with the icon: whether it is gone, and its new start.

    :param crashes: how often in a row it was started again
    """

    def __init__(self, folder: Folder, libraries: list[str], crashes: int) -> None:
        self._folder = folder
        self._libraries = libraries
        self._crashes = crashes
        self._started = time.monotonic()
        self._is_gone = False
        self._ended = threading.Event()
        self._starting = threading.Lock()

    def gone(self, end_agent: Callable[[], None]) -> None:
        """It is.

        :param end_agent: asks the agent to end, which may take :data:`STOP_SECONDS`
        """
        self._is_gone = True
        end_agent()
        if not self._ended.wait(STOP_SECONDS):
            with self._starting:
                self._start_again()
                os._exit(1)  # hangs: in a library of a token, or in a call to the server

    def agent_ended(self) -> None:
        """All that the agent held is let go."""
        self._ended.set()
        if self._is_gone:
            with self._starting:
                self._start_again()

    def _start_again(self) -> None:
        steady = time.monotonic() - self._started > STEADY_SECONDS
        crashes = 1 if steady else self._crashes + 1
        log.error("the program with the icon is gone (%d in a row); it is started again", crashes)
        start_again(self._folder, self._libraries, crashes)


def _work(pipe: _Pipe, parent: _Parent, folder: Folder, libraries: list[str]) -> None:
    pairing, store, key = commands.paired_with_key(folder)
    with ExitStack() as stack:
        stack.enter_context(instance.only_instance(folder))
        start_logging(folder.log_file, terminal=False)
        ending = threading.Event()
        prompt = AnnouncedPrompt(lambda count: pipe.send("waiting", count=count), ending.is_set)
        stack.callback(prompt.close)
        options = argparse.Namespace(library=libraries, once=False, no_doorbell=False, poll_interval=None)
        agent = commands.assemble(stack, options, folder, pairing, store, key, prompt)
        agent.stopping = ending

        def tell(state: State) -> None:
            instance.write_state(folder, state)
            pipe.send("state", **asdict(state))

        agent.on_state = tell

        def end() -> None:
            ending.set()
            agent.wake.set()

        def listen() -> None:
            while not ending.is_set():
                message = pipe.receive()
                if message.get("op") == "open":
                    prompt.open(by_person=bool(message.get("by_person")))
                elif message.get("op") == "stop":
                    end()
                elif message.get("op") == "gone":
                    parent.gone(end)

        threading.Thread(target=listen, name="parent", daemon=True).start()
        agent.run()
