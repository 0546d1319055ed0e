"""The addon is upgraded while registrations are under way. From earlier releases: `./run package` (dev/packaging)."""

from __future__ import annotations

from dev.paths import ADDON
from integration.case import Case


def test_the_addon_is_upgraded_in_the_middle(case: Case) -> None:
    """One registration is at its computer, another one waits for its gateway; both go on after ``-u``."""
    waiting = Case(case.stack)
    case.stack.control.fault(endpoint="submit", kind="outage", seconds=1)
    waiting.signed()
    waiting.await_message()
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    case.stack.odoo.stop()
    case.stack.run_odoo("-u", ADDON)
    case.stack.sql("UPDATE ir_cron SET active = false WHERE cron_name LIKE %s", ["BHXH: keep%"])
    case.stack.start_odoo()
    case.signed_bytes = case.stack.fake_agent.sign(claimed["document"], case.certificate)
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).status_code == 200
    case.check_accepted()
    waiting.send_now()
    waiting.check_accepted()
    waiting.retire()
