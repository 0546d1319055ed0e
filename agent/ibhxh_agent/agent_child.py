"""The agent as a child process of the program with icon and windows, which starts it again when it crashes.

Frames to the parent: ``state`` (the fields of :class:`ibhxh_agent.runner.State`), ``waiting`` (how many documents wait
for the person; 0 = none any more) and, at last, ``ended`` with the code and sentence of the error, if one ended it.
Frames from it: ``start``, ``open`` (show the question) and ``stop``.
"""

from __future__ import annotations

import argparse
import threading
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ibhxh_agent import commands, instance
from ibhxh_agent.children import ParentPipe
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.logs import start_logging
from ibhxh_agent.prompt.announced import AnnouncedPrompt
from ibhxh_agent.runner import State
from ibhxh_agent.texts import use_language


class _Pipe:
    """The parent, for several threads."""

    def __init__(self) -> None:
        self._pipe = ParentPipe()
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
    use_language(str(start["language"]))
    try:
        _work(pipe, Folder(Path(str(start["folder"]))), [str(entry) for entry in start["libraries"]])
    except AgentError as error:
        pipe.send("ended", code=error.code, message=error.message)
    else:
        pipe.send("ended", code="", message="")


def _work(pipe: _Pipe, folder: Folder, libraries: list[str]) -> None:
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

        def listen() -> None:
            while True:
                message = pipe.receive()
                if message.get("op") == "open":
                    prompt.open(by_person=bool(message.get("by_person")))
                elif message.get("op") == "stop":
                    ending.set()
                    agent.wake.set()

        threading.Thread(target=listen, name="parent", daemon=True).start()
        agent.run()
