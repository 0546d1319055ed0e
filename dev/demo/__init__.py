"""`./run demo`: Odoo, the sandbox, a mail server, a token and the agent, driven as people would.

Nothing of ours is stubbed: the programs talk over HTTP, SMTP, WebSocket and PKCS#11; only VSS (sandbox/) and the USB
hardware (SoftHSM2) are stood in for.
"""
