"""What keeps a computer from signing, as sentences: what is wrong, what to do. The codes are the agent protocol's."""

from odoo.tools.translate import LazyTranslate

_lt = LazyTranslate(__name__)

# Entries of one heartbeat, and characters of a detail.
MAX_ENTRIES, MAX_DETAIL = 16, 64

# `%(detail)s` is the file name of a driver, the label of a token, a number, or a version.
DIAGNOSES = {
    "no_library": _lt(
        "No token driver was found on this computer. Install the driver of the certification authority that issued the "
        "token; the program finds it by itself within a minute."
    ),
    "not_pkcs11": _lt(
        "The file %(detail)s is not a token driver (PKCS#11). Remove it from the program's settings, or name the right "
        "file."
    ),
    "library_not_loaded": _lt(
        "The token driver %(detail)s cannot be loaded. Reinstall it from the certification authority's page; a driver "
        "for 32-bit programs only does not work."
    ),
    "library_died": _lt(
        "The token driver %(detail)s crashed. Pull the token out, plug it in again; if that does not help, reinstall "
        "the driver."
    ),
    "library_silent": _lt(
        "The token driver %(detail)s does not answer. Pull the token out, plug it in again; if that does not help, "
        "reinstall the driver."
    ),
    "library_wrong": _lt(
        "The token driver %(detail)s reported an error. Pull the token out, plug it in again; if that does not help, "
        "reinstall the driver."
    ),
    "library_foreign": _lt(
        "The token driver %(detail)s is made for another kind of program (32-bit), and the part of this program for it "
        "is not installed. Ask the certification authority for its 64-bit driver."
    ),
    "token_unreadable": _lt(
        "A token, or a certificate on it, cannot be read by the token driver %(detail)s; the others are used. Pull "
        "that token out, plug it in again; if that does not help, ask the certification authority."
    ),
    "no_token": _lt(
        "No token is seen. Plug it in; if it is plugged in, try another USB port or reinstall the token's driver."
    ),
    "no_certificate": _lt("The token “%(detail)s” holds no certificate with a tax code."),
    "certificate_hidden": _lt(
        "The token “%(detail)s” shows no certificate. It may show it only after the PIN was entered, which the program "
        "never does just to look. Ask the certification authority to store the certificate as a public object."
    ),
    "certificates_left_out": _lt(
        "This computer sees more certificates than it can report; %(detail)s are left out, those that cannot sign "
        "first. Unplug some tokens."
    ),
    "key_missing": _lt("The token “%(detail)s” holds a certificate but not its key. Plug in the token with the key."),
    "certificate_unsupported": _lt(
        "The token “%(detail)s” holds a certificate whose key is not RSA; the program cannot sign with it."
    ),
    "certificate_expired": _lt(
        "The certificate on the token “%(detail)s” has expired. Renew it with its certification authority, then amend "
        "the registration (form 05)."
    ),
    "certificate_not_yet": _lt(
        "The certificate on the token “%(detail)s” is not valid yet. Check the computer's date and time."
    ),
    "token_locked": _lt(
        "The PIN of the token “%(detail)s” is locked. Ask the certification authority that issued it to unlock it."
    ),
    "token_final_try": _lt(
        "The token “%(detail)s” takes one more PIN before it locks. If you are not sure of the PIN, ask the "
        "certification authority first."
    ),
    "pin_not_set": _lt(
        "The PIN of the token “%(detail)s” has not been set. Set it with the token manager of the certification "
        "authority."
    ),
    "pin_to_change": _lt(
        "The PIN of the token “%(detail)s” must be changed before it can sign. Change it with the token manager of the "
        "certification authority."
    ),
    "clock_wrong": _lt("The computer's clock differs from the server's by more than two minutes. Correct it."),
    "remote_session": _lt(
        "Somebody works on this computer through Remote Desktop, where a token that is plugged into it cannot be seen. "
        "Sign in at the computer itself."
    ),
    "session_zero": _lt(
        "The program runs as a Windows service, where no token can be seen. Let it run in the person's own session."
    ),
    "autostart_off": _lt(
        "The program is switched off in Windows' list of startup apps: after the next restart this computer stays "
        "offline. Switch it on in the Task Manager."
    ),
    "autostart_missing": _lt(
        "What Windows starts at login is not there any more: after the next restart this computer stays offline. "
        "Install the program again."
    ),
    "update_refused": _lt(
        "Version %(detail)s, which Odoo offers, is not signed by the makers of the program and is not installed. Get "
        "the installer and its release file again from where they were published."
    ),
}


def sentences(env, diagnosis):
    """Return what the entries `{code, detail}` of a heartbeat mean, in the environment's language.

    Codes that are not known (a newer agent's) say nothing.
    """
    found = []
    for entry in diagnosis or ():
        text = DIAGNOSES.get(entry["code"])
        if text:
            sentence = env._(text)  # pylint: disable=gettext-variable
            found.append(sentence % {"detail": entry["detail"] or "?"})
    return found
