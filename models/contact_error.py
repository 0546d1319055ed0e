from odoo.tools.translate import LazyTranslate

_lt = LazyTranslate(__name__)

CONTACT_ERRORS = {
    "email": _lt("“%(value)s” is not an e-mail address. Correct it: VSS sends the activation code there."),
    "email_accents": _lt(
        "“%(value)s” has letters with accents, which a Vietnamese keyboard (Unikey) leaves in an address. Switch it "
        "off and type the address again: VSS sends the activation code there."
    ),
    "phone": _lt(
        "“%(value)s” is not a phone number. Enter a Vietnamese number such as 0912 345 678, or +<country code>…"
    ),
    "unit_code": _lt("“%(value)s” is not a unit code. It has letters and digits only, e.g. TZH490L."),
    "tax_code": _lt(
        "“%(value)s” is not a tax code. Enter 10 digits, 10-3 for a branch, or the 12 of a household business."
    ),
    "empty": _lt("Fill in e-mail and phone: VSS needs both."),
}


def contact_error(env, error, value):
    """Return the sentence for a `ContactError` about the typed `value`: what is wrong and what to do."""
    sentence = env._(CONTACT_ERRORS[error.code])  # pylint: disable=gettext-variable
    return sentence % {"value": value}
