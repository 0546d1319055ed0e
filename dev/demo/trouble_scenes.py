"""What goes wrong in real life, and how each recovers. Every scene has a company of its own."""

from __future__ import annotations

from typing import Any

from .demo import FOREIGN_TAX_CODE
from .registering import MODEL, Clerk
from .transcript import expect
from integration.agent_computer import logins
from integration.browser import Browser
from integration.stack import HOLDER
from integration.waiting import PATIENCE, until

WRONG_PIN = "60482917"


def refused(clerk: Clerk, browser: Browser) -> None:
    """VSS does not know the tax code."""
    company = clerk.demo.companies["refused"]
    clerk.transcript.scene(f"{company.name}: sai mã số thuế (refused with SE003)")
    with clerk.transcript.step(f"A tax code with a wrong check digit ({company.tax_code}) is registered"):
        clerk.await_certificate(company)
        registration = clerk.press_register(company)
        row = clerk.await_state(registration, "rejected")
        expect(row["error_code"] == "SE003", f"VSS's code SE003, not {row['error_code']}")
        expect(row["remedy"], "what to do about it")
        clerk.transcript.saw(f"{row['name']} rejected: {row['error_code']} {row['error_message']}")
        clerk.transcript.saw(f"what to do: {row['remedy']}")


def wrong_pin(clerk: Clerk, browser: Browser) -> None:
    """A PIN is mistyped once; the spy between agent and token counts."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["pin"]
    transcript.scene(f"{company.name}: sai mã PIN (a wrong PIN)")
    with transcript.step("The wrong PIN fails the request once, with a clear sentence"):
        spy_log = demo.stack.folder / "pkcs11-spy.txt"
        demo.pc.plug_in(demo.slots, WRONG_PIN, spy_log=spy_log)
        clerk.await_certificate(company)
        registration = clerk.press_register(company)
        row = clerk.await_state(registration, "draft")
        expect(row["error_code"] == "pin_incorrect", f"pin_incorrect, not {row['error_code']}")
        transcript.saw(f"{row['name']}: {row['error_message']}")
    with transcript.step("Exactly one C_Login reached the token"):
        demo.pc.pull_out()
        count = logins(spy_log)
        expect(count == 1, f"one C_Login, not {count}")
        transcript.saw("OpenSC's pkcs11-spy between agent and SoftHSM2 counted 1 C_Login")
    with transcript.step("The right PIN, one press on the signing button: it goes on"):
        demo.pc.plug_in(demo.slots)
        clerk.person.press(MODEL, registration, "action_request_signature")
        clerk.finish(browser, registration)


def token_elsewhere(clerk: Clerk, browser: Browser) -> None:
    """The agent does not run; then it runs with somebody else's token; then with the right one."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["token"]
    transcript.scene(f"{company.name}: quên token (agent not running, wrong token plugged in)")
    with transcript.step("The agent is not running: the registration waits, and says for what"):
        clerk.await_certificate(company)
        demo.pc.pull_out()
        registration = clerk.press_register(company)
        transcript.saw("for 90 seconds Odoo cannot tell a stopped agent from a slow one …")
        row = _await_missing_token(clerk, registration)
        transcript.saw(f"{row['name']}: {row['signing_hint']}")
    with transcript.step("Another company's token is plugged in: nothing is signed, nothing is lost"):
        demo.pc.plug_in(demo.foreign_slots)
        foreign = _await_foreign_certificate(clerk)
        transcript.saw(f"the agent reports {foreign}")
        row = _await_missing_token(clerk, registration)
        transcript.saw(f"{row['name']}: {row['signing_hint']}")
    with transcript.step("The right token is plugged in: it goes on by itself"):
        demo.pc.plug_in(demo.slots)
        clerk.finish(browser, registration)


def _await_missing_token(clerk: Clerk, registration: int) -> dict[str, Any]:
    """Wait until a registration says that its token or the agent is missing; it must still wait for the signature."""

    def probe() -> dict[str, Any] | None:
        row = clerk.look(registration)
        expect(row["state"] == "to_sign", f"still waiting for the token, not {row['state']}")
        return row if "ibhxh-agent" in (row["signing_hint"] or "") else None

    return until("the hint that token or agent is missing", probe, 90 + PATIENCE)


def _await_foreign_certificate(clerk: Clerk) -> str:
    """Wait until the holder sees the other company's certificate as plugged in; returns its name."""
    holder = clerk.demo.stack.person(HOLDER)

    def probe() -> str | None:
        found = holder.find("l10n_vn_ibhxh.certificate", ["tax_code", "=", FOREIGN_TAX_CODE])
        row = holder.read("l10n_vn_ibhxh.certificate", found, "display_name", "is_online") if found else None
        return str(row["display_name"]) if row and row["is_online"] else None

    return until("the other company's certificate", probe)


def gateway_down(clerk: Clerk, browser: Browser) -> None:
    """The I-VAN's server is off when the signed dossier should go out."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["gateway"]
    transcript.scene(f"{company.name}: mất kết nối (the gateway is down)")
    with transcript.step("The gateway is switched off: the signed dossier waits"):
        clerk.await_certificate(company)
        demo.stack.sandbox.stop()
        registration = clerk.press_register(company)
        row = until(
            "the postponed sending",
            lambda: row if (row := clerk.look(registration))["state"] == "to_send" and row["error_message"] else None,
        )
        transcript.saw(f"{row['name']} signed, not sent: {row['error_message']}")
    with transcript.step("The gateway is back: one press on the sending button (or a minute's wait)"):
        demo.stack.start_sandbox()
        clerk.person.press(MODEL, registration, "action_send")
        clerk.finish(browser, registration)
        count = sum(1 for dossier in demo.stack.control.dossiers() if dossier["tax_code"] == company.tax_code)
        expect(count == 1, f"one dossier at the I-VAN, not {count}")
        transcript.saw("the I-VAN holds exactly one dossier of this company")


def no_secrets_in_logs(clerk: Clerk) -> None:
    """Neither PIN nor codes nor passwords stand in any program's log."""
    demo, transcript = clerk.demo, clerk.transcript
    transcript.scene("Bí mật (secrets)")
    with transcript.step("PIN, activation codes and the I-VAN password stand in no log"):
        further = {"wrong PIN": WRONG_PIN, **{f"seen code {number}": code for number, code in enumerate(clerk.codes)}}
        found = demo.stack.secrets_in_logs(further)
        expect(not found, f"no secret in a log, but: {', '.join(found)}")
        count = len(demo.stack.secrets()) + len(further)
        transcript.saw(f"{count} secrets looked for in the logs of {', '.join(sorted(demo.stack.log_texts()))}: none")
