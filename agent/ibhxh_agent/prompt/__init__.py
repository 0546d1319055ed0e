"""Asking the token's holder: what will be signed, and the PIN."""
