"""Any mails that VSS is known to send, in any order and number, against the real models."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from odoo import fields
from odoo.tests import freeze_time, tagged

from .common import NOW
from .test_mail_evidence import MailCase
from .test_mailbox import HEX

STEPS = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    # A sequence that fails is shown as it was found: making it shorter takes many minutes with a database.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
LINK = f"https://dichvucong.baohiemxahoi.gov.vn/#/kich-hoat/{HEX}"
NAMES = ("Công ty TNHH Minh Anh", "Công ty TNHH Minh Anh Hai")
TAX_CODES = ("0312345678", "0312345679")
UNIT_CODES = ("TZH490L", "BI0110G")
FOREIGN = "09999/2026/00001"

NOTICES = {
    "receipt": "Đơn vị đã gửi hồ sơ đăng ký tham gia giao dịch điện tử thành công. Kết quả sẽ có sau 1 giờ làm việc.",
    "code to come": "Đăng ký giao dịch điện tử thành công. Mã kích hoạt sẽ được gửi trong email tiếp theo.",
    "account": "Mã kích hoạt đã được xác nhận thành công. Mật khẩu: K7QW2ZPA9X",
    "password reset": "Yêu cầu cấp lại mật khẩu thành công. Bấm vào đây để kích hoạt mật khẩu mới: K7QW2ZPA9Y",
    "one-time password": "Mã xác thực OTP của giao dịch điện tử: 123456",
    "ordinary receipt": "Đã tiếp nhận hồ sơ báo tăng lao động. Đơn vị đã nộp hồ sơ thành công qua giao dịch điện tử.",
    "ordinary result": "Hồ sơ điều chỉnh mức đóng đã được chấp nhận và giải quyết thành công. Cổng giao dịch điện tử.",
    "licence": "Gia hạn phần mềm thành công. Mã kích hoạt: AB12CD34EF",
    "guidance": "Hướng dẫn: sau khi đăng ký giao dịch điện tử thành công, đơn vị cần …",
    "congratulation": "Chúc mừng Đơn vị/cá nhân đã đăng ký thành công! Mã kích hoạt chỉ có giá trị trong vòng 24h.",
    "other form": "Ngừng sử dụng dịch vụ I-VAN thành công.",
    "weak": "Hoàn tất thủ tục thành công.",
    "vague refusal": "Hồ sơ đăng ký giao dịch điện tử không hợp lệ, đơn vị đã đăng ký thành công trước đó.",
}
units = st.integers(0, 1)


class Mailbox(RuleBasedStateMachine):
    """One mailbox for two companies whose dossiers VSS has; what was really sent to them is remembered here."""

    case = None

    def __init__(self):
        super().__init__()
        self.savepoint = self.case.env.cr.savepoint(flush=True)
        self.now = datetime.fromisoformat(NOW)
        self.codes = [None, None]
        self.sent_at = [None, None]
        self.activated = [None, None]
        self.confirmed = [False, False]
        self.refused = [False, False]
        self.count = 0
        with freeze_time(self.now):
            self.registrations = [
                self.case._waiting(company, dossier_number=f"0370{index}/2026/00001", dossier_number_source="gateway")
                for index, company in enumerate(self.case.companies)
            ]

    def teardown(self):
        self.savepoint.rollback()
        self.savepoint.close()
        self.case.env.invalidate_all()

    def _deliver(self, body, at=None, **more):
        with freeze_time(self.now):
            return self.case._deliver(body, at=at or self.now, **more)

    def _proofs(self, unit, which):
        """What a mail says of whom it is about: any of these lines."""
        lines = (
            f"Kính gửi: {NAMES[unit].upper()}",
            f"Mã đơn vị: {UNIT_CODES[unit]}",
            f"Mã số thuế: {TAX_CODES[unit]}",
            f"Số hồ sơ: {self.registrations[unit].dossier_number}",
        )
        return "\n" + "\n".join(line for line, is_there in zip(lines, which, strict=True) if is_there) + "\n"

    @rule(minutes=st.integers(1, 300))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(notice=st.sampled_from(sorted(NOTICES)), unit=units, which=st.tuples(*[st.booleans()] * 4))
    def vss_sends_something_else(self, notice, unit, which):
        self._deliver(NOTICES[notice] + self._proofs(unit, which))

    @rule(notice=st.sampled_from(["ordinary receipt", "ordinary result"]), unit=units)
    def vss_sends_about_another_dossier(self, notice, unit):
        self._deliver(f"{NOTICES[notice]}{self._proofs(unit, (True, True, True, False))}Số hồ sơ: {FOREIGN}\n")

    @rule(unit=units, which=st.tuples(*[st.booleans()] * 4))
    def a_stranger_forges(self, unit, which):
        proofs = self._proofs(unit, which)
        self._deliver(f"Đăng ký giao dịch điện tử thành công.{proofs}", verified=False)
        self._deliver(f"Mã kích hoạt: ZZ2VLHCKRB\n{LINK}{proofs}", verified=False)
        self._deliver(f"Đăng ký giao dịch điện tử không được chấp nhận: CE013.{proofs}", verified=False)

    @precondition(lambda self: not all(self.activated))
    @rule(unit=units, is_late=st.booleans(), is_real=st.booleans())
    def vss_sends_the_code(self, unit, is_late, is_real):
        """A new code of this dossier; its mail may come an hour late."""
        if self.activated[unit]:
            return
        self.count += 1
        code, at = f"AB{self.count:06d}X{unit}", self.now - timedelta(minutes=60 if is_late else 0)
        at = max(at, datetime.fromisoformat(NOW))
        if self.sent_at[unit] and at <= self.sent_at[unit]:
            return
        if is_real:
            self._deliver(self.case._real(name=NAMES[unit].upper(), code=code, unit="DKTGLD"), at=at)
        else:
            self._deliver(f"Mã kích hoạt: {code}\n{LINK}{self._proofs(unit, (False, False, True, True))}", at=at)
        self.codes[unit], self.sent_at[unit] = code, at
        self.refused[unit] = False

    @precondition(lambda self: any(self.codes))
    @rule(unit=units)
    def the_code_mail_comes_again(self, unit):
        if self.codes[unit]:
            at = self.sent_at[unit]
            self._deliver(self.case._real(name=NAMES[unit].upper(), code=self.codes[unit], unit="DKTGLD"), at=at)

    @rule(unit=units)
    def vss_refuses(self, unit):
        body = "Hồ sơ đăng ký giao dịch điện tử không được chấp nhận. Lý do: CE013."
        self._deliver(body + self._proofs(unit, (True, True, True, True)))
        self.refused[unit] = self.refused[unit] or not self.codes[unit]

    @precondition(lambda self: any(self.codes))
    @rule(unit=units)
    def the_person_activates(self, unit):
        if self.codes[unit] and self.now < self.sent_at[unit] + timedelta(hours=24):
            self.activated[unit] = self.now

    @precondition(lambda self: any(self.activated))
    @rule(unit=units, minutes=st.integers(1, 10))
    def vss_confirms(self, unit, minutes):
        if self.activated[unit]:
            self.now += timedelta(minutes=minutes)
            body = "Thông báo chấp nhận phương thức giao dịch điện tử."
            self._deliver(body + self._proofs(unit, (True, True, True, False)))
            self.confirmed[unit] = True

    @invariant()
    def nothing_else_confirms(self):
        for registration, confirmed in zip(self.registrations, self.confirmed, strict=True):
            assert (registration.state == "confirmed") == confirmed, registration.state

    @invariant()
    def nothing_loses_a_code(self):
        for unit, registration in enumerate(self.registrations):
            is_living = self.codes[unit] and self.now < self.sent_at[unit] + timedelta(hours=24)
            if is_living and not self.confirmed[unit]:
                assert registration.state == "to_activate", registration.state
            if self.codes[unit] and not self.confirmed[unit]:
                assert registration.activation_code == self.codes[unit], registration.activation_code
            if not self.codes[unit]:
                assert not registration.activation_code, registration.activation_code
                assert registration.state == ("rejected" if self.refused[unit] else "sent"), registration.state


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailSequences(MailCase):
    def test_no_sequence_but_code_and_activation_confirms_or_loses_a_code(self):
        self._verify_senders()
        companies = [self._company(name, tax_code) for name, tax_code in zip(NAMES, TAX_CODES, strict=True)]
        machine = type("Mailbox", (Mailbox,), {"case": self})
        self.companies = companies
        self.assertEqual(fields.Datetime.now(), datetime.fromisoformat(NOW))
        run_state_machine_as_test(machine, settings=STEPS)
