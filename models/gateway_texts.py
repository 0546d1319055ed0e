"""What went wrong between Odoo and an I-VAN's gateway, as sentences: what happened, what to do."""

from odoo.tools.translate import LazyTranslate

from ..tools.gateways import FaultKind, Misconfigured, Reason, Unreachable

_lt = LazyTranslate(__name__)

# Codes of ours stand apart from VSS's.
OWN_CODE = "GW-"
# An answer was there, and the I-VAN's programmers have to hear what is wrong with it.
UNREADABLE = (Reason.COMPRESSION, Reason.ENCODING, Reason.JSON, Reason.MEMBER, Reason.TOO_LARGE)
# More of them make no sentence.
MANY = 10

REASONS = {
    Reason.NO_ADDRESS: _lt("%(provider)s has no gateway address. Enter the one that the I-VAN gave you."),
    Reason.ADDRESS: _lt(
        "The gateway address of %(provider)s cannot be used. Enter one such as https://host/path, without password."
    ),
    Reason.SETTINGS: _lt(
        "The gateway of %(provider)s does not exist or does not accept these settings. Is the module that "
        "provides it still installed?"
    ),
    Reason.CREDENTIALS: _lt(
        "The gateway of %(provider)s does not accept the client code or the password. Enter both again as the I-VAN "
        "gave them to you."
    ),
    Reason.FORBIDDEN: _lt(
        "The gateway of %(provider)s does not admit this client. Ask the I-VAN whether the client is active, and "
        "from which addresses and with which certificate it may connect."
    ),
    Reason.NOT_FOUND: _lt(
        "There is a server at the address of %(provider)s, but no gateway (answer %(detail)s). Check the path of the "
        "gateway address."
    ),
    Reason.PROXY: _lt("The proxy on the way to %(provider)s asks for a password. Enter it in Odoo's environment."),
    Reason.REDIRECT: _lt(
        "The address of %(provider)s redirects to another one (%(detail)s), which Odoo does not follow. Ask the I-VAN "
        "for the right address."
    ),
    Reason.TLS_EXPIRED: _lt(
        "The TLS certificate of %(provider)s's server is not valid today. The I-VAN has to renew it; check Odoo's "
        "clock, too."
    ),
    Reason.TLS_NAME: _lt(
        "The TLS certificate of %(provider)s's server is for another address. Check the gateway address, or ask the "
        "I-VAN."
    ),
    Reason.TLS_ISSUER: _lt(
        "The TLS certificate of %(provider)s's server was issued by an authority that Odoo does not know. If the "
        "I-VAN has its own authority, enter its certificate."
    ),
    Reason.TLS: _lt("A secure connection to %(provider)s's server cannot be established (%(detail)s)."),
    Reason.CLIENT_CERTIFICATE: _lt(
        "The server of %(provider)s does not accept Odoo's client certificate, or certificate and key are not a pair. "
        "Enter both again as the I-VAN gave them to you."
    ),
    Reason.CONNECTION: _lt("The gateway of %(provider)s cannot be reached."),
    Reason.DOWN: _lt("The gateway of %(provider)s reports that the service is temporarily down."),
    Reason.BUSY: _lt("The gateway of %(provider)s asks Odoo to send fewer requests."),
    Reason.TIMEOUT: _lt("The gateway of %(provider)s did not answer in time."),
    Reason.LOST: _lt("The connection to the gateway of %(provider)s was lost before its answer was complete."),
    Reason.STATUS: _lt("The gateway of %(provider)s reports an internal error (answer %(detail)s)."),
    Reason.TOO_LARGE: _lt("The answer of %(provider)s's gateway is too large to be read."),
    Reason.COMPRESSION: _lt("The answer of %(provider)s's gateway has an unknown encoding (%(detail)s)."),
    Reason.ENCODING: _lt("The answer of %(provider)s's gateway is not in UTF-8 (%(detail)s), so it cannot be read."),
    Reason.JSON: _lt("The answer of %(provider)s's gateway is not a JSON object, so it cannot be read."),
    Reason.MEMBER: _lt("The answer of %(provider)s's gateway does not say which dossier it is about (%(detail)s)."),
}
FAULTS = {
    FaultKind.MISSING: _lt("%(member)s is missing"),
    FaultKind.TYPE: _lt("%(member)s has the wrong type"),
    FaultKind.VALUE: _lt("%(member)s has a value that the contract does not allow"),
    FaultKind.LENGTH: _lt("%(member)s is too long"),
    FaultKind.CHARACTERS: _lt("%(member)s has characters that are not valid UTF-8"),
    FaultKind.TIME: _lt("%(member)s is not a possible time; compare the clocks"),
    FaultKind.ZONE: _lt("%(member)s has no time zone"),
    FaultKind.REPEATED: _lt("%(member)s has repeated numbers"),
    FaultKind.COUNT: _lt("%(member)s has too many entries"),
}


def reason(env, provider, error):
    """Return what a `GatewayError` of `provider` (a record) means, as a sentence in the environment's language."""
    if error.reason in REASONS:
        sentence = env._(REASONS[error.reason])  # pylint: disable=gettext-variable
        return sentence % {"provider": provider.name, "detail": error.detail or "–"}
    if isinstance(error, Misconfigured):
        return env._("The connection to %(provider)s is not configured correctly.", provider=provider.name)
    if isinstance(error, Unreachable):
        return env._("The gateway of %(provider)s cannot be reached.", provider=provider.name)
    return env._("The gateway of %(provider)s gave no clear answer.", provider=provider.name)


def code(error):
    """Return the code that is shown with a `GatewayError`: VSS's own only where the service is said to be down."""
    if isinstance(error, Unreachable) and not isinstance(error, Misconfigured) and error.reason != Reason.BUSY:
        return "SE999"
    return OWN_CODE + error.reason.value.upper().replace("_", "-") if error.reason else False


def faults(env, provider, found):
    """Return which members of an answer (`gateways.Fault`) are not as agreed, as a sentence."""
    parts = []
    for fault in found[:MANY]:
        part = env._(FAULTS[fault.kind])  # pylint: disable=gettext-variable
        parts.append(part % {"member": fault.member})
    if len(found) > MANY:
        parts.append("…")
    return env._(
        "An answer from %(provider)s's gateway breaks the contract: %(faults)s. The rest of it was read.",
        provider=provider.name,
        faults="; ".join(parts),
    )
