"""Makers of test data: certificates, signed dossiers, mails. Nothing here is used outside tests."""
