from . import controllers, models, wizards


def uninstall_hook(env):
    """Remove what Odoo would leave behind: it deletes what carries an XML id of this addon, and no more.

    The keys of paired computers, the settings, the foreign keys noted for other addons' models, the XML ids that
    other addons (mail, portal, sms …) hold for parts of our models, and jobs, whose list could not be opened any more.
    """
    own = "l10n_vn_ibhxh"
    env["res.users.apikeys"].search([("scope", "=", models.const.AGENT_KEY_SCOPE)]).unlink()
    env["ir.config_parameter"].search([("key", "=like", f"{own}.%")]).unlink()
    env["ir.model.constraint"].search([("module.name", "=", own), ("type", "=", "f")]).unlink()
    env["ir.model.data"].search([
        ("module", "!=", own),
        "|", ("name", "=like", f"selection\\_\\_{own}\\_%"), ("name", "=like", f"model_inherit\\_\\_{own}\\_%"),
    ]).unlink()  # fmt: skip
    if models.jobs.are_used(env):
        env["queue.job"].search([("model_name", "=like", f"{own}.%")]).unlink()
