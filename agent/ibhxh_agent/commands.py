"""What each command does; :mod:`ibhxh_agent.cli` reads the command line."""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
import threading
from contextlib import ExitStack

from ibhxh_agent import autostart, doctor, instance, pairing, selftest
from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder, Pairing
from ibhxh_agent.doorbell import Doorbell
from ibhxh_agent.errors import AgentError
from ibhxh_agent.logs import start_logging
from ibhxh_agent.outbox import Leases, Outbox
from ibhxh_agent.prompt.base import Prompt
from ibhxh_agent.prompt.choose import choose_prompt
from ibhxh_agent.prompt.terminal import TerminalPrompt
from ibhxh_agent.runner import Agent
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.setup import candidates, token_manager
from ibhxh_agent.untrusted import harmless
from ibhxh_agent.updates import Updates


def pair(options: argparse.Namespace) -> int:
    """Exchange the one-time code for a key and store it."""
    server = Server.parse(options.server)  # before anything is asked
    code = options.code or input(text("ask_code") + " ")
    made = pairing.pair(
        Folder(options.config_dir), server.base, options.database, code, options.name or pairing.computer_name()
    )
    print(text("paired", **vars(made)))
    return 0


def certificates(options: argparse.Namespace) -> int:
    """List the certificates on the tokens."""
    folder = Folder(options.config_dir)
    manager = token_manager(folder.load(), options.library, folder)
    try:
        manager.refresh(everything=True)
    finally:
        manager.close()
    rows = [
        {
            "fingerprint": certificate.fingerprint,
            "name": certificate.common_name,
            "tax_codes": list(certificate.tax_codes),
            "issuer": certificate.issuer_name,
            "serial": certificate.serial,
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
            "token": harmless(manager.find(certificate.fingerprint).label),
        }
        for certificate in manager.certificates()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        for row in rows:
            print(f"{row['name']} — MST {', '.join(row['tax_codes'])} — {row['issuer']} — {row['not_after'][:10]}")
        if not rows:
            print(text("no_certificates"))
    for problem in manager.problems.values():
        print(problem, file=sys.stderr)
    return 0


def status(options: argparse.Namespace) -> int:
    """Say whether the agent runs and is connected; 0 = both."""
    folder = Folder(options.config_dir)
    paired = folder.paired()
    running, state = instance.is_running(folder), instance.read_state(folder)
    if options.json:
        print(json.dumps({"server": paired.server, "running": running, **state}, indent=2))
    else:
        print(text("status_paired", **vars(paired)))
        print(text("status_running" if running else "status_stopped"))
        if running and state:
            bell = text("on" if state.get("doorbell") else "off")
            print(text("status_online" if state["online"] else "status_offline", **{**state, "doorbell": bell}))
            if state.get("outdated"):
                print(harmless(state["outdated"]))
            if state.get("clock_warning"):
                print(harmless(state["clock_warning"]))
    return 0 if running and state.get("online") else 1


def examine(options: argparse.Namespace) -> int:
    """Diagnose; 0 = nothing bad."""
    worst = 0
    for finding in doctor.examine(Folder(options.config_dir), options.library):
        print(finding, flush=True)
        worst = worst or int(finding.mark == doctor.BAD)
    return worst


def self_test(_options: argparse.Namespace) -> int:
    """Try each part of this program; 0 = all work."""
    worst = 0
    for part, problem in selftest.run(dict(os.environ)):
        print(f"{part}: {problem or 'ok'}", flush=True)
        worst = worst or int(bool(problem))
    return worst


def install(options: argparse.Namespace) -> int:
    """Start at login."""
    arguments = []
    if options.config_dir:
        arguments += ["--config-dir", str(options.config_dir.absolute())]
    for library in options.library:
        arguments += ["--library", library]
    command = autostart.start_command([*arguments, "start"])
    place = autostart.change(lambda: autostart.autostart().install(command))
    print(text("installed", place=place))
    return 0


def uninstall(options: argparse.Namespace) -> int:
    """No longer start at login."""
    autostart.change(autostart.autostart().uninstall)
    print(text("uninstalled"))
    return 0


def run(options: argparse.Namespace) -> int:
    """Wait and sign until told to end."""
    folder = Folder(options.config_dir)
    paired, store, key = paired_with_key(folder)
    with ExitStack() as stack:
        stack.enter_context(instance.only_instance(folder))
        ending = threading.Event()
        # A copy, because what is read from is closed. Windows has no other descriptor that a child inherits (W25).
        descriptor = os.dup(0) if options.pin_stdin else options.pin_fd
        prompt = choose_prompt(options.prompt, descriptor, options.token, ending.is_set)
        stack.callback(prompt.close)
        # A terminal that asks shows nothing else: log lines would come between the question and its answer.
        start_logging(folder.log_file, terminal=not isinstance(prompt, TerminalPrompt))
        agent = assemble(stack, options, folder, paired, store, key, prompt)
        agent.stopping = ending
        if options.once:
            agent.once()
            return 0
        _run_until_told(agent, folder)
    return 0


def forget(options: argparse.Namespace) -> int:
    """Remove what is kept of the pairing, logs included."""
    pairing.forget(Folder(options.config_dir))
    return 0


def paired_with_key(folder: Folder) -> tuple[Pairing, SecretStore, str]:
    """The pairing, and the key from the store.

    :raises AgentError: ``not_paired``, one of them is missing
    """
    paired = folder.paired()
    store = SecretStore(folder)
    key = store.get(paired.agent)
    if not key:
        raise AgentError("not_paired", text("not_paired"))
    return paired, store, key


def assemble(
    stack: ExitStack,
    options: argparse.Namespace,
    folder: Folder,
    paired: Pairing,
    store: SecretStore,
    key: str,
    prompt: Prompt,
) -> Agent:
    """Put the parts together; ``stack`` takes them apart again."""
    client = Client(Server.parse(paired.server), paired.database, Credentials(key, paired.agent))
    stack.callback(client.close)
    listening: list[Agent] = []
    settings = folder.load()
    manager = token_manager(settings, options.library, folder)
    stack.callback(manager.close)
    outbox, leases = Outbox(client.another()), Leases(client.another())
    stack.callback(outbox.stop)
    stack.callback(outbox.wait_empty, 5)
    stack.callback(leases.stop)
    signer = BatchSigner(manager, prompt, outbox, leases, paired.server)

    def ring() -> None:
        for agent in listening:
            agent.wake.set()

    doorbell = None
    if not options.once and not options.no_doorbell:
        doorbell = Doorbell(client.server, paired.database, ring)
        stack.callback(doorbell.stop)
    agent = Agent(
        client, manager, signer, outbox, folder, store, doorbell=doorbell, poll_interval=options.poll_interval
    )
    agent.updates = Updates(folder, client.another())
    agent.find = lambda: candidates(settings, options.library, folder)
    leases.beat = agent.repeat_beat
    listening.append(agent)
    return agent


def _run_until_told(agent: Agent, folder: Folder) -> None:
    def stop() -> None:
        agent.stopping.set()
        agent.wake.set()

    # A signal interrupts the main loop anywhere, also inside the lock of `wake`, which a handler that set it would then
    # wait for without end. This queue alone may be filled there; a thread of its own sets what is to be set.
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def await_signal() -> None:
        signals.get()
        stop()

    threading.Thread(target=await_signal, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: signals.put(received))
    agent.on_state = lambda state: instance.write_state(folder, state)
    agent.run()
