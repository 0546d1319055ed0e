from . import (
    test_agent_api,
    test_company_state,
    test_mailbox,
    test_registration,
    test_security,
    test_sending,
    test_signing_service,
    test_tools_gateways,
    test_tools_mail,
    test_tools_signature,
    test_tools_signature_xmlsec,
    test_wizard,
)
