"""What goes wrong in real life, and how each recovers. Every scene has a company of its own."""

from __future__ import annotations

from typing import Any

from .agent_pc import logins
from .browser import Browser
from .registering import MODEL, Desk
from .setup_scene import HOLDER
from .transcript import SECONDS, expect, until
from .world import FOREIGN_TAX_CODE, LOGS, PIN

WRONG_PIN = "60482917"


def refused(desk: Desk, browser: Browser) -> None:
    """VSS does not know the tax code."""
    company = desk.world.companies["refused"]
    desk.transcript.scene(f"{company.name}: sai mã số thuế (refused with SE003)")
    with desk.transcript.step(f"A tax code with a wrong check digit ({company.tax_code}) is registered"):
        desk.await_certificate(company)
        registration = desk.press_register(company)
        row = desk.await_state(registration, "rejected")
        expect(row["error_code"] == "SE003", f"VSS's code SE003, not {row['error_code']}")
        expect(row["remedy"], "what to do about it")
        desk.transcript.saw(f"{row['name']} rejected: {row['error_code']} {row['error_message']}")
        desk.transcript.saw(f"what to do: {row['remedy']}")


def wrong_pin(desk: Desk, browser: Browser) -> None:
    """A PIN is mistyped once; the spy between agent and token counts."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["pin"]
    transcript.scene(f"{company.name}: sai mã PIN (a wrong PIN)")
    with transcript.step("The wrong PIN fails the request once, with a clear sentence"):
        spy_log = LOGS / "pkcs11-spy.txt"
        world.pc.plug_in(world.slots, WRONG_PIN, spy_log=spy_log)
        desk.await_certificate(company)
        registration = desk.press_register(company)
        row = desk.await_state(registration, "draft")
        expect(row["error_code"] == "pin_incorrect", f"pin_incorrect, not {row['error_code']}")
        transcript.saw(f"{row['name']}: {row['error_message']}")
    with transcript.step("Exactly one C_Login reached the token"):
        world.pc.pull_out()
        count = logins(spy_log)
        expect(count == 1, f"one C_Login, not {count}")
        transcript.saw("OpenSC's pkcs11-spy between agent and SoftHSM2 counted 1 C_Login")
    with transcript.step("The right PIN, one press on the signing button: it goes on"):
        world.pc.plug_in(world.slots, PIN)
        desk.clerk.press(MODEL, registration, "action_request_signature")
        desk.finish(browser, registration)


def token_elsewhere(desk: Desk, browser: Browser) -> None:
    """The agent does not run; then it runs with somebody else's token; then with the right one."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["token"]
    transcript.scene(f"{company.name}: quên token (agent not running, wrong token plugged in)")
    with transcript.step("The agent is not running: the registration waits, and says for what"):
        desk.await_certificate(company)
        world.pc.pull_out()
        registration = desk.press_register(company)
        transcript.saw("for 90 seconds Odoo cannot tell a stopped agent from a slow one …")
        row = _await_missing_token(desk, registration)
        transcript.saw(f"{row['name']}: {row['signing_hint']}")
    with transcript.step("Another company's token is plugged in: nothing is signed, nothing is lost"):
        world.pc.plug_in(world.foreign_slots, PIN)
        foreign = _await_foreign_certificate(desk)
        transcript.saw(f"the agent reports {foreign}")
        row = _await_missing_token(desk, registration)
        transcript.saw(f"{row['name']}: {row['signing_hint']}")
    with transcript.step("The right token is plugged in: it goes on by itself"):
        world.pc.plug_in(world.slots, PIN)
        desk.finish(browser, registration)


def _await_missing_token(desk: Desk, registration: int) -> dict[str, Any]:
    """Wait until a registration says that its token or the agent is missing; it must still wait for the signature."""

    def probe() -> dict[str, Any] | None:
        row = desk.look(registration)
        expect(row["state"] == "to_sign", f"still waiting for the token, not {row['state']}")
        return row if "ibhxh-agent" in (row["signing_hint"] or "") else None

    return until("the hint that token or agent is missing", probe, 90 + SECONDS)


def _await_foreign_certificate(desk: Desk) -> str:
    """Wait until the holder sees the other company's certificate as plugged in; returns its name."""
    holder = desk.world.login(HOLDER)

    def probe() -> str | None:
        found = holder.find("l10n_vn_ibhxh.certificate", ["tax_code", "=", FOREIGN_TAX_CODE])
        row = holder.read("l10n_vn_ibhxh.certificate", found, "display_name", "is_online") if found else None
        return str(row["display_name"]) if row and row["is_online"] else None

    return until("the other company's certificate", probe)


def gateway_down(desk: Desk, browser: Browser) -> None:
    """The I-VAN's server is off when the signed dossier should go out."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["gateway"]
    transcript.scene(f"{company.name}: mất kết nối (the gateway is down)")
    with transcript.step("The gateway is switched off: the signed dossier waits"):
        desk.await_certificate(company)
        world.sandbox.stop()
        registration = desk.press_register(company)
        row = until(
            "the postponed sending",
            lambda: row if (row := desk.look(registration))["state"] == "to_send" and row["error_message"] else None,
        )
        transcript.saw(f"{row['name']} signed, not sent: {row['error_message']}")
    with transcript.step("The gateway is back: one press on the sending button (or a minute's wait)"):
        world.start_sandbox()
        desk.clerk.press(MODEL, registration, "action_send")
        desk.finish(browser, registration)
        count = sum(1 for dossier in world.control.dossiers() if dossier["tax_code"] == company.tax_code)
        expect(count == 1, f"one dossier at the I-VAN, not {count}")
        transcript.saw("the I-VAN holds exactly one dossier of this company")


def no_secrets_in_logs(desk: Desk) -> None:
    """Neither PIN nor codes nor passwords stand in any program's log."""
    world, transcript = desk.world, desk.transcript
    transcript.scene("Bí mật (secrets)")
    with transcript.step("PIN, activation codes and the I-VAN password stand in no log"):
        secrets = {"PIN": PIN, "wrong PIN": WRONG_PIN, "I-VAN password": world.sandbox_secret}
        secrets |= {f"code {index}": code for index, code in enumerate(desk.codes)}
        texts = world.log_texts()
        found = [
            f"{what} in {name}.log"
            for name, text in texts.items()
            for what, secret in secrets.items()
            if secret in text
        ]
        expect(not found, f"no secret in a log, but: {', '.join(found)}")
        transcript.saw(f"{len(secrets)} secrets looked for in the logs of {', '.join(sorted(texts))}: none")
