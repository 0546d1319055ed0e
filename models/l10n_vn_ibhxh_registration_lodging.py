from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime

from ..tools import signature
from . import reservations
from .const import TODO


class L10n_Vn_IbhxhRegistrationLodging(models.AbstractModel):
    """Lodging without Odoo: in the I-VAN's own program, on VSS's portal, or there as a signed file.

    Odoo hands out what is needed, and a person reports what was done and what VSS answered.
    """

    _name = "l10n_vn_ibhxh.registration.lodging"
    _description = "Lodging of BHXH registrations by hand"

    can_take_back = fields.Boolean(
        compute="_compute_can_take_back",
        export_string_translation=False,
        help="That it was submitted elsewhere rests on a person's word alone.",
    )

    @api.depends(
        "state",
        "lodging",
        "attempted_at",
        "activation_received_at",
        "dossier_number_source",
        "mail_ids.state",
        "notification_ids",
    )
    def _compute_can_take_back(self):
        for registration in self:
            known = registration.sudo()
            registration.can_take_back = (
                known.state == "sent"
                and known.lodging == "elsewhere"
                and known.dossier_number_source in (False, "person")
                and not known.attempted_at
                and not known.activation_received_at
                and not known.notification_ids
                and all(mail.state == "ignored" for mail in known.mail_ids)
            )

    def _submitted_elsewhere(self, submitted_at, dossier_number=False):
        """Take a person's word that this draft was submitted elsewhere at `submitted_at` (UTC).

        No document and no signature are here; who the unit is, is fixed now. From here it is followed as any other.
        """
        self.ensure_one()
        self.check_access("write")
        self.lock_for_update()
        self._check_draft()
        if self.lodging != "elsewhere":
            raise UserError(self.env._("%(name)s has to be signed first.", name=self.name))
        if submitted_at > fields.Datetime.now():
            raise UserError(self.env._("“Submitted at” is in the future. Enter when you submitted it there."))
        self._check_preflight()
        registration = self.sudo()
        company = registration.company_id
        registration.write({"tax_code": company.l10n_vn_ibhxh_tax_code, "company_name": company.name})
        registration._on_accepted(submitted_at, dossier_number)
        registration._note_step(submitted_at, self.env._("Submitted at %(provider)s", provider=self.provider_id.name))
        registration._message_log(
            body=self.env._(
                "%(user)s stated that this was submitted to %(provider)s.",
                user=self.env.user.name,
                provider=self.provider_id.name,
            )
        )

    def action_not_submitted(self):
        """“It was not submitted after all”: a draft again, as it was before somebody said that it was submitted.

        Raises `UserError` where anything but that person's word says that VSS or the I-VAN has it.
        """
        for registration in self:
            registration.check_access("write")
            registration.lock_for_update()
            if not registration.can_take_back:
                raise UserError(
                    registration.env._(
                        "%(name)s cannot be taken back: only what a person said was submitted elsewhere, and of which "
                        "nothing has come from VSS or the I-VAN.",
                        name=registration.name,
                    )
                )
            registration._move(
                "draft",
                submitted_at=False,
                answer_due_at=False,
                answer_reminded=False,
                activation_expires_at=False,
                poll_at=False,
                dossier_number=False,
                dossier_number_source=False,
            )
            registration.activity_unlink([TODO])
            registration._note_step(fields.Datetime.now(), registration.env._("It was not submitted after all"))
            registration._message_log(
                body=registration.env._(
                    "%(user)s stated that this was not submitted after all.", user=registration.env.user.name
                )
            )
        return True

    def action_download_signed(self):
        """Download the signed dossier, as it has to be lodged. While it waits to be lodged, Odoo no longer sends what a
        person has in hand, even where the I-VAN is connected again."""
        self.ensure_one()
        self.check_access("read")
        if self.state == "to_send":
            self._check_to_lodge(("to_send",))
            self._leave_to_people()
        try:
            self._verify_signed()
        except signature.SignatureError as error:
            raise UserError(
                self.env._(
                    "%(name)s has no dossier with a valid signature, so there is nothing to lodge. Cancel it, "
                    "then register again.",
                    name=self.name,
                )
            ) from error
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/signed_document/{self.document_name}?download=true",
            "target": "download",
        }

    def action_lodge(self):
        """Open the little form in which a person says that the dossier was lodged, and when."""
        self._check_to_lodge(("draft",) if self.lodging == "elsewhere" else ("to_send",))
        return self._open_by_hand("l10n_vn_ibhxh.l10n_vn_ibhxh_lodge_action")

    def action_report_unclear(self):
        """Open the little form in which a person says whether the I-VAN has what Odoo handed over without an answer."""
        self._check_by_hand(("to_send",))
        if not self._is_unclear():
            raise UserError(self.env._("Odoo has not handed over %(name)s, so nothing is unclear.", name=self.name))
        action = self._open_by_hand("l10n_vn_ibhxh.l10n_vn_ibhxh_lodge_unclear_action")
        action["context"]["default_lodged_at"] = self.attempted_at
        return action

    def action_record_answer(self):
        """Open the little form in which a person enters what VSS answered."""
        self._check_by_hand(("sent", "to_activate", "expired"))
        return self._open_by_hand("l10n_vn_ibhxh.l10n_vn_ibhxh_lodge_answer_action")

    def _check_by_hand(self, states):
        """Raise unless the user may write the registration, it is lodged by hand and it is in one of `states`."""
        self.ensure_one()
        self.check_access("write")
        if self.can_submit:
            raise UserError(self.env._("%(provider)s is reached by Odoo itself.", provider=self.provider_id.name))
        if self.state not in states:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(name)s is “%(state)s”, so there is nothing to record. Reload the page to see its current state.",
                    name=self.name,
                    state=labels[self.state],
                )
            )

    def _check_to_lodge(self, states):
        """Raise as `_check_by_hand`, and where the I-VAN may have the dossier already."""
        self._check_by_hand(states)
        if self._is_unclear():
            raise self._make_unclear_error()

    def _is_unclear(self):
        """Whether it was handed over and no answer came: the I-VAN may have it."""
        return self.state == "to_send" and bool(self.attempted_at)

    def _make_unclear_error(self):
        return UserError(
            self.env._(
                "%(provider)s may have this dossier already: Odoo handed it over on %(time)s, and the answer was lost. "
                "Ask the I-VAN about the reference %(reference)s, then press “Report what the I-VAN says”.",
                provider=self.provider_id.name or self.env._("The I-VAN"),
                time=format_datetime(self.env, self.attempted_at, dt_format="short"),
                reference=self.client_reference,
            )
        )

    def _leave_to_people(self):
        """From now on this is lodged by hand, and Odoo sends it no more."""
        if self.lodging == "odoo":
            self.lock_for_update()
            self.sudo().lodging = "file"
            self._message_log(
                body=self.env._("%(user)s lodges it by hand: Odoo no longer sends it.", user=self.env.user.name)
            )

    def _on_not_received(self):
        """A person states that the I-VAN does not have what Odoo handed over: it is lodged by hand now, or cancelled.

        Odoo never sends it again by itself, because the person may be wrong.
        """
        with reservations.reserved(self) as reserved:
            if reserved:
                self._note_not_received()
        if not reserved:
            raise UserError(self.env._("Odoo is handing over %(name)s right now. Reload the page.", name=self.name))
        self._notify_page()

    def _note_not_received(self):
        self.lock_for_update()
        self._message_log(
            body=self.env._(
                "%(user)s stated that %(provider)s does not have the dossier %(reference)s, which Odoo handed over "
                "on %(time)s.",
                user=self.env.user.name,
                provider=self.provider_id.name or self.env._("The I-VAN"),
                reference=self.client_reference,
                time=format_datetime(self.env, self.attempted_at, dt_format="short"),
            )
        )
        self._leave_to_people()
        self.sudo().write(
            {
                "attempted_at": False,
                "last_attempt_at": False,
                "retry_at": False,
                "retry_count": 0,
                "unsent_reminded": False,
                "error_code": False,
                "error_message": False,
            }
        )

    def _open_by_hand(self, action):
        return {
            **self.env["ir.actions.act_window"]._for_xml_id(action),
            "context": {"default_registration_id": self.id, "default_dossier_number": self.dossier_number},
        }

    def _note_step(self, date, description, code="", passed=True):
        """Add what a person reported of VSS's way to the steps; `date` is UTC."""
        number = max(self.sudo().step_ids.mapped("number"), default=0) + 1
        self.env["l10n_vn_ibhxh.registration.step"].sudo().create(
            {
                "registration_id": self.id,
                "number": number,
                "date": date,
                "code": code,
                "description": description,
                "passed": passed,
            }
        )
