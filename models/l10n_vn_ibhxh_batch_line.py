import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from psycopg2 import IntegrityError, OperationalError

from ..tools import preflight
from .const import FORMS, STANDINGS, standing
from .preflight_texts import sentence

_logger = logging.getLogger(__name__)


class L10n_Vn_IbhxhBatchLine(models.Model):
    """One company of a batch: what blocks it, or its registration and what became of that."""

    _name = "l10n_vn_ibhxh.batch.line"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "Company of a batch of BHXH registrations"
    _order = "is_blocked desc, id"

    batch_id = fields.Many2one("l10n_vn_ibhxh.batch", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True, ondelete="cascade")
    form = fields.Selection(FORMS, readonly=True, required=True, default="04")
    certificate_id = fields.Many2one("l10n_vn_ibhxh.certificate", readonly=True, index="btree_not_null")
    registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", readonly=True, index="btree_not_null", ondelete="set null"
    )
    registration_state = fields.Selection(related="registration_id.state", string="Status", store=True)
    registration_lodging = fields.Selection(related="registration_id.lodging", string="How it is submitted", store=True)
    short_code = fields.Char(
        string="Code in the app",
        compute="_compute_short_code",
        help="The app on the phone shows the same digits. Refuse there when they differ.",
    )
    blockers = fields.Text(string="What blocks it", readonly=True)
    is_blocked = fields.Boolean(readonly=True)
    progress_state = fields.Selection(
        [
            ("blocked", "Blocked"),
            ("ready", "Ready"),
            ("failed", "Failed"),
            ("running", "In progress"),
            ("done", "Confirmed"),
        ],
        compute="_compute_progress_state",
        search="_search_progress_state",
    )
    problem = fields.Text(compute="_compute_problem", help="What blocks the company, or why its registration failed.")

    _one_per_company = models.Constraint("UNIQUE (batch_id, company_id)", "The company is already in this batch.")

    @api.depends("registration_id.is_on_phone", "registration_id.signing_request_id.short_code")
    def _compute_short_code(self):
        for line in self:
            registration = line.registration_id
            line.short_code = registration.signing_request_id.sudo().short_code if registration.is_on_phone else False

    @api.depends("registration_state", "registration_lodging", "is_blocked")
    def _compute_progress_state(self):
        for line in self:
            if line.registration_state:
                line.progress_state = standing(line.registration_state, line.registration_lodging).progress
            else:
                line.progress_state = "blocked" if line.is_blocked else "ready"

    def _search_progress_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        none = Domain("registration_state", "=", False)
        to_submit = Domain("registration_state", "=", "draft") & Domain("registration_lodging", "=", "elsewhere")
        at = {
            progress: Domain("registration_state", "in", [s for s, st in STANDINGS.items() if st.progress == progress])
            for progress in ("failed", "running", "done")
        }
        states = {
            "blocked": none & Domain("is_blocked", "=", True),
            "ready": none & Domain("is_blocked", "=", False),
            "failed": at["failed"] & ~to_submit,
            "running": at["running"] | to_submit,
            "done": at["done"],
        }
        return Domain.OR(states[name] for name in value if name in states)

    @api.depends("blockers", "registration_id.error_message", "progress_state")
    def _compute_problem(self):
        for line in self:
            line.problem = line.registration_id.error_message if line.progress_state == "failed" else line.blockers

    def _is_to_submit(self):
        return self.registration_state == "draft" and self.registration_lodging == "elsewhere"

    def _register_companies(self, user):
        """Register the companies of these lines of one batch as `user` does in the wizard, all together; what it would
        object to becomes the blocker of the line that it concerns."""
        try:
            with self.env.cr.savepoint():
                self._register_together(user)
            return
        except (AccessError, UserError, ValidationError) as error:
            blockers = str(error)
        except IntegrityError:
            # Somebody was quicker since it was checked: the database allows one open registration.
            blockers = self._under_way()
        except OperationalError:
            raise
        except Exception:
            # A fault of ours or of one record: the others are registered.
            blockers = self.env._(
                "Odoo could not register this company; the reason is in its log. Inform the administrator, then press "
                "“Check again”."
            )
            if len(self) == 1:
                _logger.exception("Company %s of batch %s cannot be registered", self.company_id.id, self.batch_id.id)
        if len(self) == 1:
            self.sudo().write({"blockers": blockers, "is_blocked": True})
            return
        half = len(self) // 2
        for some in (self[:half], self[half:]):
            some._register_companies(user)

    def _on_deleted(self):
        """The registrations of these were deleted: their companies wait until somebody wants them registered again."""
        self.write(
            {
                "is_blocked": True,
                "blockers": self.env._(
                    "Its registration was deleted. Press “Check again” if the company is to be registered again."
                ),
            }
        )

    def _under_way(self):
        """Return what is under way for one of the companies, in words; another transaction's may not be seen yet."""
        other = self.company_id.sudo()._l10n_vn_ibhxh_open_registration()[:1]
        if not other:
            return self.env._("A registration is already in progress.")
        return sentence(self.env, preflight.Finding("open", "blocking", "open_other", {"name": other.name}))

    def _register_together(self, user):
        registrations = (
            self.env["l10n_vn_ibhxh.registration"]
            .with_user(user)
            .with_context(lang=user.lang, allowed_company_ids=self.company_id.ids)
        )
        batch = self.batch_id
        proposals = self.company_id.with_env(registrations.env)._l10n_vn_ibhxh_propose(batch._lacked())
        rows = [
            {
                **registrations._convert_to_write(proposals[line.company_id]),
                "company_id": line.company_id.id,
                "form": line.form,
                "certificate_id": line.certificate_id.id,
                "contact_name": user.name,
                "lodging": batch._lodging(proposals[line.company_id]["provider_id"]),
            }
            for line in self
        ]
        for line, registration in zip(self.sudo(), registrations._create_to_sign(rows), strict=True):
            line.write({"registration_id": registration.id, "blockers": False, "is_blocked": False})

    def _submit_company(self, submitted_at):
        """Note that it was submitted elsewhere at `submitted_at` (UTC); what is objected to stays on the line."""
        try:
            with self.env.cr.savepoint():
                self.registration_id._submitted_elsewhere(submitted_at)
                self.sudo().blockers = False
        except (AccessError, UserError, ValidationError) as error:
            self.sudo().blockers = str(error)

    def action_open(self):
        """Open the registration, or the company while there is none."""
        self.ensure_one()
        return (
            self.registration_id._get_records_action()
            if self.registration_id
            else self.company_id._l10n_vn_ibhxh_open()
        )
