"""Tokens: finding PKCS#11 libraries, running each in a child process, signing with the key on a token."""
