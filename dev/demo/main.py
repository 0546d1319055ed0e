"""`./run demo` and `./run demo --check`."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

from ..console import Problem, say
from ..odoo import ADMIN_LOGIN
from . import elsewhere_scene, happy_scene, life_scenes, mail_scenes, phone_scene, setup_scene, trouble_scenes
from .companies import companies
from .demo import Demo, running
from .registering import Clerk
from .transcript import Transcript
from integration.browser import Browser
from integration.stack import CLERK, HOLDER, MAILBOX

SCENES: tuple[Callable[[Clerk, Browser], None], ...] = (
    trouble_scenes.refused,
    mail_scenes.not_believed,
    mail_scenes.late_code,
    life_scenes.whole_life,
    elsewhere_scene.filed_at_portal,
    phone_scene.signed_by_phone,
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
    with running(companies()) as demo:
        _play(demo, transcript)
        if transcript.failed:
            say(f"\nNOT observed: {'; '.join(transcript.failed)}")
            say(f"Odoo's log ends with:\n{demo.stack.odoo.tail()}\nThe agent's:\n{demo.pc.tail()}")
        else:
            say(f"\nAll {transcript.steps} steps were observed.")
        if "--check" not in arguments:
            _leave_running(demo)
    return 1 if transcript.failed else 0


def _play(demo: Demo, transcript: Transcript) -> None:
    """The scenes in order. The first two carry all others; of the others each stands alone."""
    try:
        setup_scene.prepare(demo, transcript)
        clerk = Clerk(demo, transcript, demo.stack.person(CLERK))
        with Browser() as browser:
            happy_scene.play(clerk, browser)
            for scene in SCENES:
                try:
                    scene(clerk, browser)
                except Exception:
                    # The transcript has it; the next scene has a company of its own and may still be observed.
                    _restore(demo)
            trouble_scenes.no_secrets_in_logs(clerk)
    except Exception as error:
        if not transcript.failed:
            transcript.failed.append(f"{type(error).__name__}: {error}")


def _restore(demo: Demo) -> None:
    """After a scene that broke off: everything running and plugged in again."""
    demo.stack.start_sandbox()
    demo.stack.control.reset_clock()
    demo.stack.control.clear_faults()
    demo.pc.plug_in(demo.slots)


def _leave_running(demo: Demo) -> None:
    yours = demo.companies["yours"]
    say(f"""
Everything is left running. Now register a second company by hand:

  Odoo      {demo.stack.url}
            {CLERK} / {demo.stack.passwords[CLERK]}   (payroll clerk: registers)
            {HOLDER} / {demo.stack.passwords[HOLDER]}   (holds the tokens)
            {ADMIN_LOGIN} / {demo.stack.passwords[ADMIN_LOGIN]}
  Portal    {demo.stack.sandbox_url}/
  Mailbox   {demo.stack.sandbox_url}/#/hop-thu   (every mail that the stand-in of VSS wrote)
  Phone     {demo.stack.sandbox_url}/phone/#{phone_scene.NUMBER}   (the signing app of {demo.companies["phone"].name})

  1. Log in as {CLERK} and choose the company “{yours.name}” at the top right.
  2. iBHXH > Đăng ký GD BHXH điện tử; Email {MAILBOX}, any phone number; Đăng ký.
     Its token is plugged in, and the agent has the PIN already, so it signs by itself.
  3. Copy the code from the registration, open the portal's link, paste it, Hoàn tất thủ tục.

Ctrl-C stops everything.""")
    with suppress(KeyboardInterrupt):
        signal.pause()
    say("\nStopping …")
