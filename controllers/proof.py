from odoo import http
from odoo.http import content_disposition, request
from werkzeug.wsgi import wrap_file


class Proof(http.Controller):
    @http.route(
        "/l10n_vn_ibhxh/registration/<int:registration_id>/proof",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def proof(self, registration_id):
        """Stream the archive of one registration to a user who may read it; 404 to all others."""
        registration = request.env["l10n_vn_ibhxh.registration"].browse(registration_id).exists()
        if not registration or not registration.has_access("read"):
            return request.not_found()
        archive = registration._proof_archive()
        response = request.make_response(
            wrap_file(request.httprequest.environ, archive),
            headers=[
                ("Content-Type", "application/zip"),
                ("Content-Disposition", content_disposition(registration._proof_name())),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        response.direct_passthrough = True
        response.call_on_close(archive.close)
        return response
