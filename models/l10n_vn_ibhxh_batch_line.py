from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from psycopg2 import IntegrityError

from .const import FORMS, STANDINGS, standing


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

    def _is_waiting(self):
        return not self.registration_id and not self.is_blocked

    def _register_company(self, user):
        """Register the company as `user` does in the wizard; what it would object to becomes the line's blocker."""
        self.ensure_one()
        registrations = (
            self.env["l10n_vn_ibhxh.registration"]
            .with_user(user)
            .with_context(lang=user.lang, allowed_company_ids=self.company_id.ids)
        )
        company = self.company_id.with_env(registrations.env)
        proposal = company._l10n_vn_ibhxh_propose(self.batch_id._lacked())[company]
        try:
            with self.env.cr.savepoint():
                registration = registrations._create_to_sign(
                    {
                        **registrations._convert_to_write(proposal),
                        "company_id": company.id,
                        "form": self.form,
                        "certificate_id": self.certificate_id.id,
                        "contact_name": user.name,
                        "lodging": self.batch_id._lodging(proposal["provider_id"]),
                    }
                )
                self.sudo().write({"registration_id": registration.id, "blockers": False, "is_blocked": False})
        except (AccessError, UserError, ValidationError) as error:
            self.sudo().write({"blockers": str(error), "is_blocked": True})
        except IntegrityError:
            # Somebody was quicker since it was checked: the database allows one open registration.
            self.sudo().write({"blockers": self.env._("A registration is already in progress."), "is_blocked": True})

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
