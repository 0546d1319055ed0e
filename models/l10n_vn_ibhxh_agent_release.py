import base64
import hashlib

from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError

from ..tools import agent_release
from ..tools.versions import VERSION, version_key
from .const import AGENT_DOWNLOAD_SHA256, AGENT_DOWNLOAD_URL, MAX_INSTALLER_BYTES

# As the agent calls what it runs on.
PLATFORMS = [
    ("windows-x86_64", "Windows"),
    ("macos-arm64", "macOS (Apple silicon)"),
    ("macos-x86_64", "macOS (Intel)"),
    ("linux-x86_64", "Linux"),
]
# What a file for Windows begins with: anything else would only puzzle the person who opens it.
WINDOWS_PROGRAM = b"MZ"


class L10n_Vn_IbhxhAgentRelease(models.Model):
    """A version of the program for token holders' computers, or of its list of token drivers, that Odoo hands out.

    People download the installer. Paired computers learn of a version only when its release document came with it,
    and take nothing that the document's signature does not cover: Odoo is not trusted with it.
    """

    _name = "l10n_vn_ibhxh.agent.release"
    _inherit = ["l10n_vn_ibhxh.protected", "l10n_vn_ibhxh.shared"]
    _person_fields = frozenset({"platform", "version", "file", "file_name", "document", "document_name", "active"})
    _description = "Program for computers with tokens"
    _order = "kind desc, platform, id desc"
    _rec_name = "version"

    kind = fields.Selection(
        [("program", "Program"), ("libraries", "List of token drivers")], compute="_compute_kind", store=True
    )
    platform = fields.Selection(
        PLATFORMS,
        string="For",
        compute="_compute_platform",
        store=True,
        readonly=False,
    )
    version = fields.Char(compute="_compute_version", store=True, readonly=False)
    file = fields.Binary(string="Installer", attachment=True)
    file_name = fields.Char()
    size = fields.Integer(compute="_compute_from_file", store=True, help="Bytes of the installer.")
    sha256 = fields.Char(string="SHA-256", compute="_compute_from_file", store=True)
    document = fields.Binary(
        string="Release file",
        attachment=False,
        help="The file ….release.json that is published with the installer. With it paired computers learn of this "
        "version; they check its signature themselves.",
    )
    document_name = fields.Char()
    active = fields.Boolean(default=True)

    @api.depends("file")
    def _compute_from_file(self):
        for release in self:
            content = release._bytes("file")
            release.size = len(content)
            release.sha256 = hashlib.sha256(content).hexdigest() if content else False

    # One method each: Odoo computes none of several when one of them is given.

    @api.depends("document")
    def _compute_kind(self):
        for release in self:
            described = release._read()
            release.kind = described.kind if described else "program"

    @api.depends("document")
    def _compute_platform(self):
        for release in self:
            described = release._read()
            if described:
                release.platform = described.platform if described.platform in dict(PLATFORMS) else False
            else:
                release.platform = release.platform or PLATFORMS[0][0]

    @api.depends("document")
    def _compute_version(self):
        for release in self:
            described = release._read()
            release.version = described.version if described else release.version

    def _read(self):
        """Return what the release file says, None without one and where it is none."""
        try:
            return agent_release.read(self._bytes("document")) if self.document else None
        except agent_release.ReleaseError:
            return None

    @api.constrains("file", "document", "version", "platform")
    def _check_release(self):
        for release in self:
            described = release._read()
            if release.document and not described:
                raise ValidationError(
                    self.env._(
                        "This is not a release file. It is published beside the installer, and its name ends in "
                        "“.release.json”."
                    )
                )
            if described and described.kind == "libraries":
                if release.file:
                    raise ValidationError(self.env._("A list of token drivers has no installer. Remove the installer."))
            else:
                release._check_program(described)

    def _check_program(self, described):
        if not self.file:
            raise ValidationError(self.env._("Upload the installer."))
        if not VERSION.fullmatch(self.version or "") or not self.platform:
            raise ValidationError(self.env._("Enter the version, such as 19.0.2.0.0, and the system."))
        if self.size > MAX_INSTALLER_BYTES:
            raise ValidationError(
                self.env._("The installer is larger than %(limit)s MB.", limit=MAX_INSTALLER_BYTES // 2**20)
            )
        if self.platform.startswith("windows") and not self._bytes("file").startswith(WINDOWS_PROGRAM):
            raise ValidationError(self.env._("This file is not a Windows program (.exe)."))
        if described and described != (
            "program", self.version, self.platform, self.size, self.sha256,
        ):  # fmt: skip
            raise ValidationError(
                self.env._(
                    "The release file belongs to another installer: version %(version)s for %(platform)s, SHA-256 "
                    "%(sha256)s. Get both from the same release.",
                    version=described.version,
                    platform=described.platform,
                    sha256=described.sha256,
                )
            )

    @api.model_create_multi
    def create(self, vals_list):
        releases = super().create(vals_list)
        self.env.registry.clear_cache()
        return releases

    def write(self, vals):
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_forget_offers(self):
        self.env.registry.clear_cache()

    def _bytes(self, name):
        self.ensure_one()
        return base64.b64decode(self.with_context(bin_size=False)[name] or b"")

    # -- what computers learn -----------------------------------------------------------------------------------------

    @api.model
    @tools.ormcache()
    def _offers(self):
        """Return `{platform: (version, id)}` of the newest programs that computers may install by themselves, and under
        "libraries" the newest list."""
        offers = {}
        for release in self.sudo().search([("document", "!=", False)]):
            key = "libraries" if release.kind == "libraries" else release.platform
            offer = (release.version, release.id)
            if key not in offers or version_key(offer[0]) > version_key(offers[key][0]):
                offers[key] = offer
        return offers

    @api.model
    def _update_for(self, platform, version):
        """Return `{version}` of what a computer may update to, or None."""
        offer = self._offers().get(platform) if platform != "libraries" else None
        return {"version": offer[0]} if offer and version_key(offer[0]) > version_key(version) else None

    @api.model
    def _libraries_version(self):
        """Return the version of the newest list of token drivers, 0 when there is none."""
        return int(self._offers().get("libraries", (0,))[0])

    @api.model
    def _find(self, kind, platform, version=None):
        """Return the newest release of a kind that computers may take, an empty recordset when there is none."""
        offer = self._offers().get("libraries" if kind == "libraries" else platform)
        release = self.sudo().browse(offer[1] if offer else ()).exists()
        return release.filtered(lambda one: one.kind == kind and version in (None, one.version))

    # -- what people download ------------------------------------------------------------------------------------------

    @api.model
    @api.readonly
    def get_downloads(self):
        """Return the installers that people can download, the newest of each system, Windows first.

        `[{platform, name, url, version, size, sha256}]`, size in bytes. Without one in Odoo it is the address from the
        settings, of which Odoo knows no version; an empty list when there is none either.
        """
        self.check_access("read")
        newest = {}
        for release in self.sudo().search([("kind", "=", "program"), ("file", "!=", False)]):
            known = newest.get(release.platform)
            if not known or version_key(release.version) > version_key(known.version):
                newest[release.platform] = release
        found = [newest[platform]._download() for platform, _name in PLATFORMS if platform in newest]
        parameters = self.env["ir.config_parameter"].sudo()
        address = parameters.get_param(AGENT_DOWNLOAD_URL)
        if "windows-x86_64" not in newest and address:
            sha256 = parameters.get_param(AGENT_DOWNLOAD_SHA256) or False
            found.insert(
                0,
                {
                    "platform": "windows-x86_64",
                    "name": self.env._("Windows"),
                    "url": address,
                    "version": False,
                    "size": 0,
                    "sha256": sha256,
                },
            )
        return found

    def _download(self):
        return {
            "platform": self.platform,
            "name": dict(self._fields["platform"]._description_selection(self.env))[self.platform],
            "url": f"/l10n_vn_ibhxh/agent/installer/{self.id}",
            "version": self.version,
            "size": self.size,
            "sha256": self.sha256,
        }

    def _stream(self):
        """Return Odoo's stream of the installer; raises `UserError` when there is none."""
        self.ensure_one()
        if not self.file or self.kind != "program":
            raise UserError(self.env._("There is no installer in this release."))
        is_windows = self.platform.startswith("windows")
        return self.env["ir.binary"]._get_stream_from(
            self,
            "file",
            # The name that was typed is shown in Odoo; what lands on computers is named by us.
            filename=f"ibhxh-agent-{self.version}-{self.platform}{'.exe' if is_windows else ''}",
            mimetype="application/vnd.microsoft.portable-executable" if is_windows else "application/octet-stream",
        )
