"""What is known now of CE007, SE006 and IC1, and plainer words of three others, where nobody has changed them."""

OLD_STOP = "Stop the service, register again, then enter the code that is mailed."
OLD_MOVE = "Stop the service at the old I-VAN first, while the certificate is still valid there, then register here."
MOVE = (
    "Let this I-VAN file the stop (form 06, reason 7), or stop at the old I-VAN while the certificate is still valid "
    "there; then register here."
)
CHANGES = [
    (
        ("CE007",),
        "meaning",
        "The unit is registered already",
        "The unit is already registered, here or with another I-VAN",
    ),
    (("CE006",), "meaning", "The unit is registered already", "The unit is already registered"),
    (
        ("SE999",),
        "remedy",
        "Nothing to do: Odoo sends it again by itself.",
        "Nothing to do: Odoo sends it again automatically.",
    ),
    (
        ("CE009",),
        "remedy",
        "The format has changed: update this addon, and report the fault to its makers.",
        "The format has changed: update this addon, and report the problem to its developers.",
    ),
    (
        ("CE007",),
        "remedy",
        OLD_STOP,
        "Let this I-VAN file the stop (reason 7 when another I-VAN had the unit), register again, then enter the code "
        "that is mailed.",
    ),
    (("SE006", "IC1"), "remedy", OLD_MOVE, MOVE),
]


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        """UPDATE l10n_vn_ibhxh_result_code SET remedy_action = 'move'
            WHERE code IN ('SE006', 'IC1') AND remedy_action = 'stop_register' AND remedy->>'en_US' = %s""",
        (OLD_MOVE,),
    )
    for codes, column, old, new in CHANGES:
        # Translations of the old sentence go with it; those of the new one are loaded after this.
        cr.execute(
            f"""UPDATE l10n_vn_ibhxh_result_code SET {column} = jsonb_build_object('en_US', %s)
                 WHERE code IN %s AND {column}->>'en_US' = %s""",
            (new, codes, old),
        )
