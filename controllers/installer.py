from odoo import http
from odoo.http import request


class Installer(http.Controller):
    @http.route(
        "/l10n_vn_ibhxh/agent/installer/<int:release_id>", type="http", auth="user", methods=["GET"], readonly=True
    )
    def installer(self, release_id):
        """Stream an installer to an employee; 404 to all others, and for what is not there."""
        release = request.env["l10n_vn_ibhxh.agent.release"].sudo().browse(release_id).exists()
        is_offered = release.active and release.kind == "program" and release.size
        if not request.env.user._is_internal() or not is_offered:
            raise request.not_found()
        response = release._stream().get_response(as_attachment=True)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
