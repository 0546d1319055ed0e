"""Pure Python part of the addon: dossiers, signatures, certificates, mails, notifications, gateways. No odoo."""
