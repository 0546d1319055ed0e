"""`./run demo` and `./run demo --check`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

from ..console import Problem, say
from ..odoo import ADMIN_LOGIN
from . import elsewhere_scene, happy_scene, life_scenes, mail_scenes, setup_scene, trouble_scenes
from .browser import Browser
from .registering import Desk
from .transcript import Transcript
from .world import PIN, World

SCENES: tuple[Callable[[Desk, Browser], None], ...] = (
    trouble_scenes.refused,
    mail_scenes.not_believed,
    mail_scenes.late_code,
    life_scenes.whole_life,
    elsewhere_scene.filed_at_portal,
    trouble_scenes.wrong_pin,
    trouble_scenes.token_elsewhere,
    trouble_scenes.gateway_down,
)


def run(arguments: list[str]) -> int:
    """Play everything.

    :param arguments: `--check`: stop afterwards instead of leaving all running
    :return: 0 when every step was observed, else 1
    """
    unknown = set(arguments) - {"--check"}
    if unknown:
        raise Problem(f"./run demo does not know {' '.join(sorted(unknown))}.", "./run demo, or ./run demo --check")
    # SIGTERM is like Ctrl-C: everything is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    transcript = Transcript()
    with World() as world:
        _play(world, transcript)
        if transcript.failed:
            say(f"\nNOT observed: {'; '.join(transcript.failed)}")
            say(f"Odoo's log ends with:\n{world.odoo.tail()}\nThe agent's:\n{world.pc.tail()}")
        else:
            say(f"\nAll {transcript.steps} steps were observed.")
        if "--check" not in arguments:
            _leave_running(world)
    return 1 if transcript.failed else 0


def _play(world: World, transcript: Transcript) -> None:
    """The scenes in order. The first two carry all others; of the others each stands alone."""
    try:
        setup_scene.prepare(world, transcript)
        desk = Desk(world, transcript, world.login(setup_scene.CLERK))
        with Browser() as browser:
            happy_scene.play(desk, browser)
            for scene in SCENES:
                try:
                    scene(desk, browser)
                except Exception:
                    # The transcript has it; the next scene has a company of its own and may still be observed.
                    _restore(world)
            trouble_scenes.no_secrets_in_logs(desk)
    except Exception as error:
        if not transcript.failed:
            transcript.failed.append(f"{type(error).__name__}: {error}")


def _restore(world: World) -> None:
    """After a scene that broke off: everything running and plugged in again."""
    if not world.sandbox.running:
        world.start_sandbox()
    world.control.reset_clock()
    world.control.clear_faults()
    world.pc.plug_in(world.slots, PIN)


def _leave_running(world: World) -> None:
    yours = world.companies["yours"]
    say(f"""
Everything is left running. Now register a second company by hand:

  Odoo      {world.odoo_url}
            {setup_scene.CLERK} / {world.passwords[setup_scene.CLERK]}   (payroll clerk: registers)
            {setup_scene.HOLDER} / {world.passwords[setup_scene.HOLDER]}   (holds the tokens)
            {ADMIN_LOGIN} / {world.passwords[ADMIN_LOGIN]}
  Portal    {world.sandbox_url}/
  Mailbox   {world.sandbox_url}/#/hop-thu   (every mail that the stand-in of VSS wrote)

  1. Log in as {setup_scene.CLERK} and choose the company “{yours.name}” at the top right.
  2. iBHXH > Đăng ký GD BHXH điện tử; Email {setup_scene.MAILBOX}, any phone number; Đăng ký.
     Its token is plugged in, and the agent has the PIN already, so it signs by itself.
  3. Copy the code from the registration, open the portal's link, paste it, Hoàn tất thủ tục.

Ctrl-C stops everything.""")
    with suppress(KeyboardInterrupt):
        signal.pause()
    say("\nStopping …")
