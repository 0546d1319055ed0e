{
    "name": "Vietnam BHXH I-VAN",
    "version": "19.0.2.0.0",
    "category": "Human Resources/Social Insurance",
    "summary": "Register for electronic social-insurance (BHXH) transactions through an I-VAN, sign with the USB token",
    "author": "l10n_vn_ibhxh contributors",
    "license": "LGPL-3",
    "countries": ["vn"],
    "depends": ["hr", "mail"],
    # Each with its reason; requirements of development stand in dev/requirements.txt.
    "external_dependencies": {
        "python": [
            "cryptography",  # read certificates
            "email-validator",  # syntax of e-mail addresses
            "lxml",  # build and read dossiers, XSD
            "phonenumbers",  # Vietnamese phone numbers as E.164
            "pyhanko-certvalidator",  # chain and revocation of certificates
            "requests",  # HTTP gateway
        ],
        "apt": {
            "cryptography": "python3-cryptography",
            "email-validator": "python3-email-validator",
            "lxml": "python3-lxml",
            "phonenumbers": "python3-phonenumbers",
            "requests": "python3-requests",
        },
    },
    "data": [
        "security/l10n_vn_ibhxh_groups.xml",
        "security/ir.model.access.csv",
        "security/l10n_vn_ibhxh_rules.xml",
        "data/ir_sequence_data.xml",
        "data/l10n_vn_ibhxh_agency_data.xml",
        "data/l10n_vn_ibhxh_form_data.xml",
        "data/l10n_vn_ibhxh_provider_data.xml",
        "data/l10n_vn_ibhxh_result_code_data.xml",
        "data/ir_cron_data.xml",
        "data/mail_alias_data.xml",
        "report/l10n_vn_ibhxh_registration_templates.xml",
        "report/l10n_vn_ibhxh_registration_report.xml",
        "wizards/l10n_vn_ibhxh_agent_pairing_views.xml",
        "wizards/l10n_vn_ibhxh_earlier_registration_views.xml",
        "wizards/l10n_vn_ibhxh_mail_paste_views.xml",
        "wizards/l10n_vn_ibhxh_mail_test_views.xml",
        "wizards/l10n_vn_ibhxh_lodge_views.xml",
        "wizards/l10n_vn_ibhxh_notification_upload_views.xml",
        "wizards/l10n_vn_ibhxh_registration_wizard_views.xml",
        "views/l10n_vn_ibhxh_registration_views.xml",
        "views/l10n_vn_ibhxh_notification_views.xml",
        "views/l10n_vn_ibhxh_trusted_root_views.xml",
        "views/l10n_vn_ibhxh_signing_request_views.xml",
        "views/l10n_vn_ibhxh_batch_views.xml",
        "views/l10n_vn_ibhxh_certificate_views.xml",
        "views/l10n_vn_ibhxh_agent_views.xml",
        "views/l10n_vn_ibhxh_mail_views.xml",
        "views/l10n_vn_ibhxh_provider_views.xml",
        "views/l10n_vn_ibhxh_agency_views.xml",
        "views/l10n_vn_ibhxh_form_views.xml",
        "views/l10n_vn_ibhxh_result_code_views.xml",
        "views/res_company_views.xml",
        "views/res_config_settings_views.xml",
        "views/l10n_vn_ibhxh_menus.xml",
    ],
    "assets": {
        "web.assets_backend": ["l10n_vn_ibhxh/static/src/**/*"],
        "web.assets_tests": ["l10n_vn_ibhxh/static/tests/tours/**/*"],
        "web.assets_unit_tests": ["l10n_vn_ibhxh/static/tests/unit/**/*"],
    },
    "images": ["static/description/banner.png"],
    "application": True,
    "uninstall_hook": "uninstall_hook",
}
