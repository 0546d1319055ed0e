-- A copied database must neither sign nor send: computers lose their keys, remote signing services their passwords, open
-- work stops, gateways become manual.
DELETE FROM res_users_apikeys WHERE scope = 'l10n_vn_ibhxh.agent';
UPDATE l10n_vn_ibhxh_agent
   SET key_hash = NULL, next_key_hash = NULL, doorbell = NULL, revoked = TRUE;
DELETE FROM l10n_vn_ibhxh_agent_pairing;
UPDATE l10n_vn_ibhxh_signing_request
   SET state = 'cancelled', lease_until = NULL
 WHERE state IN ('pending', 'claimed');
UPDATE l10n_vn_ibhxh_signing_request
   SET ask_at = NULL, to_phone_at = NULL, remote_reference = NULL, remote_handle = NULL;
UPDATE l10n_vn_ibhxh_remote_service
   SET client_id = NULL, client_secret = NULL, url = 'https://neutralized.invalid', active = FALSE;
UPDATE l10n_vn_ibhxh_provider
   SET gateway = 'manual', client_id = NULL, client_secret = NULL, url = NULL,
       ca_certificates = NULL, client_certificate = NULL, client_key = NULL, connection_fault = NULL,
       active = active AND gateway = 'manual';
UPDATE l10n_vn_ibhxh_registration
   SET activation_code = NULL, activation_url = NULL, retry_at = NULL, poll_at = NULL;
UPDATE l10n_vn_ibhxh_mail SET source = NULL;
DELETE FROM l10n_vn_ibhxh_mail_paste;
DELETE FROM l10n_vn_ibhxh_mail_test;
DELETE FROM l10n_vn_ibhxh_lodge_answer;
