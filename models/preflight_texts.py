"""What each check before signing says to the person: what is the matter and, where it is wrong, the remedy."""

from datetime import datetime

from odoo.tools import format_date
from odoo.tools.translate import LazyTranslate

from .vietnam_time import date_in_vietnam

_lt = LazyTranslate(__name__)

TEXTS = {
    "certificate_none": _lt(
        "No certificate is chosen. If the list is empty, plug in the token and start ibhxh-agent on its computer, or "
        "enter the account of your signing app under iBHXH > Tokens > Signing on the phone."
    ),
    "certificate_unknown": _lt(
        "The certificate is unknown. Without it Odoo cannot warn before it expires, nor of a renewed one that VSS "
        "does not know (CE014). Choose or upload it if you can."
    ),
    "certificate_file_unreadable": _lt(
        "The file is not a certificate. Choose a .cer, .crt or .pem file exported by the certification authority "
        "or the token's program."
    ),
    "certificate_file_too_large": _lt("The file is too large to be a certificate. Choose a .cer, .crt or .pem file."),
    "certificate_file_private_key": _lt(
        "The file contains a private key, which must never be shared; it was not stored. Choose the certificate only."
    ),
    "certificate_file_several": _lt(
        "The file contains no certificate of a company, or several. Choose the file with the company's own one."
    ),
    "certificate_unreported": _lt(
        "No computer of any user of %(company)s has reported this certificate. Start ibhxh-agent on the computer "
        "with the token."
    ),
    "certificate_account_gone": _lt(
        "The signing service's account with this certificate can no longer be used for this company. Enter it again "
        "under iBHXH > Tokens > Signing on the phone, or choose another certificate."
    ),
    "certificate_service_unknown": _lt(
        "It is not known whether %(provider)s takes dossiers signed with %(service)s. Ask the I-VAN; a BHXH manager "
        "then notes it on the I-VAN, under “Accepts signatures of”. Or choose the certificate of a token."
    ),
    "certificate_not_registered": _lt(
        "VSS has another certificate of this company on record (serial %(serial)s) and refuses this one with "
        "CE014. Amend with form 05 first, or choose the certificate on record."
    ),
    "owner_ok": _lt("The certificate belongs to tax code %(company)s, the company's own."),
    "owner_unknown": _lt("The certificate names no tax code. Choose the company's own certificate."),
    "owner_misplaced": _lt(
        "The certificate names the company's tax code %(company)s, but not in the UID, the only place where VSS looks: "
        "it would answer CE013. Have the certification authority issue the certificate again with “MST:%(company)s” in "
        "the UID, then send form 05 if VSS has another certificate on record."
    ),
    "owner_branch": _lt(
        "The certificate belongs to tax code %(certificate)s, the company has %(company)s: the branch suffix "
        "differs, which VSS refuses with CE013. Use the branch's own token, or correct the company's tax code."
    ),
    "owner_other": _lt(
        "This certificate belongs to tax code %(certificate)s, the company has %(company)s. Plug in the company's "
        "own token, or correct the company's tax code."
    ),
    "validity_ok": _lt("The certificate is valid until %(to)s, for %(days)s more days."),
    "expires_soon": _lt("The certificate expires on %(to)s, in %(days)s days. Renew it soon, then send form 05."),
    "not_yet_valid": _lt("The certificate is valid from %(from)s only. Wait until then, or choose another one."),
    "expired": _lt(
        "The certificate expired on %(to)s. Renew it with its certification authority, or choose another one."
    ),
    "key_ok": _lt("The key is fit for signing (%(type)s, %(bits)s bits)."),
    "key_unfit": _lt(
        "The key (%(type)s, %(bits)s bits) cannot be used: RSA with 2048 bits is needed. Use another token."
    ),
    "key_not_for_signing": _lt("The certificate is not meant for signing. Choose another one."),
    "certificate_hash_weak": _lt(
        "The certificate was issued with a weak hash (%(hash)s). Ask its authority for a new one."
    ),
    "tax_code_ok": _lt("The company's tax code is %(tax_code)s."),
    "tax_code_empty": _lt("The company has no tax code. Enter it on the company first."),
    "tax_code_invalid": _lt(
        "“%(tax_code)s” is not a tax code. Enter 10 digits, 10-3 for a branch, or the 12 of a household business."
    ),
    "tax_code_checksum": _lt(
        "The company's tax code %(tax_code)s does not look right. Compare it with the tax office's."
    ),
    "tax_code_format": _lt(
        "The company's tax code %(tax_code)s does not look right. Compare it with the tax office's."
    ),
    "tax_code_taken": _lt(
        "Another company in this Odoo has tax code %(tax_code)s too, and VSS's answers could reach the wrong one. "
        "Correct the tax code of one of them; ask an administrator if you do not see the other company."
    ),
    "tax_code_of_unit": _lt(
        "Another unit of this company with tax code %(tax_code)s is registered under the same unit code, or both have "
        "none. Enter the unit code of this unit."
    ),
    "name_ok": _lt("The dossier names “%(name)s”."),
    "name_blanks": _lt(
        "The company's name has unusual blanks, marked ▯: “%(name)s”. The dossier has plain ones. Compare the name "
        "with the business registration."
    ),
    "name_certificate": _lt(
        "The company is called “%(name)s” in Odoo, and “%(common_name)s” in the certificate. The dossier would have "
        "Odoo's name, and VSS's mails address the registered one. Compare it with the business registration, and "
        "correct the name on the company."
    ),
    "name_invisible": _lt(
        "The company's name holds invisible characters, marked ▯: “%(name)s”. Type the name again on the company."
    ),
    "agency_ok": _lt("The agency's code is %(agency_code)s."),
    "agency_empty": _lt("No BHXH agency is chosen. Choose the agency that manages the unit."),
    "agency_format": _lt("“%(agency_code)s” is not an agency code. Choose another agency, or correct its code."),
    "agency_refused": _lt(
        "VSS has just refused this agency (%(agency)s, %(code)s). Choose the agency that manages the unit."
    ),
    "unit_code_none": _lt("No unit code: a unit that registers for the first time has none yet."),
    "unit_code_ok": _lt("The unit code is %(unit_code)s."),
    "unit_code_invalid": _lt("“%(unit_code)s” is not a unit code. It has letters and digits only, e.g. TZH490L."),
    "unit_code_pattern": _lt("The unit code %(unit_code)s is unusual. They look like TZH490L."),
    "unit_code_for_move": _lt(
        "To move a unit, its unit code is needed. It is in VSS's confirmation; “Look it up” opens VSS's own page."
    ),
    "unit_code_refused": _lt(
        "VSS has just refused tax code %(tax_code)s with unit code %(unit_code)s. Compare both with VSS's "
        "acceptance e-mail before you send them again."
    ),
    "email_ok": _lt("VSS will write to %(email)s."),
    "email_empty": _lt("Fill in the e-mail: VSS sends the activation code there."),
    "email_invalid": _lt("“%(email)s” is not an e-mail address. Correct it: VSS sends the activation code there."),
    "email_accents": _lt(
        "“%(email)s” has letters with accents, which a Vietnamese keyboard (Unikey) leaves in an address. Switch it "
        "off and type the address again: VSS sends the activation code there."
    ),
    "email_domain": _lt(
        "Is %(email)s right? %(suggestion)s looks more likely. VSS sends the activation code there, and nothing comes "
        "back from a mailbox that does not exist."
    ),
    "email_tag": _lt(
        "%(email)s has a part after “+”, which not every system takes. %(suggestion)s is safer for the activation code."
    ),
    "email_yahoo": _lt(
        "VSS's mails often do not reach Yahoo addresses such as %(email)s: vendors advise against them. Use another "
        "address if you can."
    ),
    "email_differs": _lt("The two e-mail addresses differ. Type %(email)s once more, exactly as above."),
    "phone_ok": _lt("The phone number is %(phone)s."),
    "phone_empty": _lt("Fill in the phone number: VSS needs e-mail and phone."),
    "phone_invalid": _lt(
        "“%(phone)s” is not a phone number. Enter a Vietnamese number such as 0912 345 678, or +<country code>…"
    ),
    "form_ok": _lt("The form matches what is known about the company."),
    "form_registered": _lt(
        "The company is already registered; VSS would refuse form 04 with CE006. Amend with form 05, or stop with "
        "form 06."
    ),
    "form_not_registered": _lt("The company is not registered, so there is nothing to amend or stop. Choose form 04."),
    "form_change_empty": _lt("Describe what changes: form 05 requires it."),
    "form_nothing_changes": _lt("Nothing differs from what VSS has on record. Send form 05 only if VSS asks for it."),
    "form_data_first": _lt(
        "Unit data and certificate change at once. Send two dossiers: the data first, signed with the certificate that "
        "VSS has on record, then the certificate."
    ),
    "form_stop_date_empty": _lt("Enter the date from which the service stops."),
    "form_stop_reason_empty": _lt("Choose a reason for stopping, or write it."),
    "open_none": _lt("No other registration of the company is under way."),
    "open_other": _lt("%(name)s is already in progress. Open it, or cancel it first."),
    "provider_ok": _lt("The dossier goes to %(provider)s."),
    "provider_none": _lt("No I-VAN is chosen."),
    "provider_elsewhere": _lt(
        "You submit it to %(provider)s yourself; Odoo follows it from there: mail, code, countdown, confirmation."
    ),
    "provider_by_hand": _lt("%(provider)s is reached by hand: you lodge the signed file on its portal."),
    "provider_unconfigured": _lt(
        "%(provider)s has no gateway address. Ask a BHXH manager to enter it under iBHXH > Configuration > I-VAN "
        "organisations."
    ),
    "provider_other": _lt(
        "The unit is with %(current)s now. To move, %(provider)s first files the stop (form 06, reason 7); once VSS "
        "has confirmed that, registering at %(provider)s is one click."
    ),
    "provider_unasked": _lt("Whether %(provider)s can be reached has not been checked yet. Press “Check now”."),
    "provider_reachable": _lt("%(provider)s answers."),
    "provider_unreachable": _lt(
        "%(provider)s does not answer at the moment. You can still sign: Odoo sends the dossier as soon as it is back."
    ),
    "trust_unasked": _lt(
        "Chain and revocation of the certificate have not been checked yet. Press “Check now”; they are checked "
        "before signing in any case."
    ),
    "trust_chain": _lt("The certificate chains to a trusted root: %(detail)s."),
    "trust_revocation": _lt("The certificate is not revoked."),
    "trust_no_roots": _lt(
        "No trusted root certificate is configured, so the certificate's issuer was not checked. A BHXH manager "
        "adds roots under iBHXH > Configuration > Trusted roots."
    ),
    "trust_not_for_signing": _lt("The certificate is not meant for signing. Choose another one."),
    "trust_untrusted": _lt(
        "The certificate does not chain to a trusted root. Use a token of a licensed authority, or have a BHXH "
        "manager add its root and intermediate certificates under iBHXH > Configuration > Trusted roots."
    ),
    "trust_expired": _lt(
        "The certificate, or one of an authority above it, has expired. Renew it, or choose another one."
    ),
    "trust_not_yet_valid": _lt(
        "The certificate, or one of an authority above it, is not valid yet. Wait, or choose another one."
    ),
    "trust_weak_algorithm": _lt("The certificate is signed with a method that is no longer secure. Use another token."),
    "trust_chain_invalid": _lt("The certificate's chain is not valid. Ask its certification authority."),
    "trust_unreadable": _lt("The certificate, or a trusted one, cannot be read. Ask a BHXH manager."),
    "trust_revoked": _lt("The certificate was revoked by its authority. Renew it, or choose another one."),
    "trust_revocation_unknown": _lt(
        "Whether the certificate is revoked could not be checked: its authority's service did not answer. Try "
        "again later."
    ),
}


def sentence(env, finding):
    """Return the sentence of a `tools.preflight.Finding` in the reader's language; days are those of Viet Nam."""
    values = dict(finding.values)
    for name in ("from", "to"):
        if values.get(name):
            moment = datetime.fromisoformat(values[name]).replace(tzinfo=None)
            values[name] = format_date(env, date_in_vietnam(moment))
    text = env._(TEXTS[finding.code])  # pylint: disable=gettext-variable
    return text % values
