-- auth_web: the registration webhooks of jambonz's accounts as endpoints, for MySQL and MariaDB.
--
--   mariadb opensips < jambonz-view.sql
--
-- In place of http.sql: http_endpoints becomes a view, and changes in jambonz's portal take effect here
-- too. jambonz's database is called jambones, the installer's default, and is on the same server.
-- OpenSIPS needs no privileges in it: the view reads it with those of the user who runs this. An
-- account that is not active, has no SIP realm or no registration webhook has no endpoint. Can be run
-- again at any time.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)               NOT NULL,
    table_version INT UNSIGNED DEFAULT 0 NOT NULL,
    CONSTRAINT t_name_idx UNIQUE (table_name)
) ENGINE=InnoDB;

CREATE OR REPLACE VIEW http_endpoints AS
    SELECT accounts.sip_realm      AS realm,
           webhooks.url            AS url,
           webhooks.method         AS method,
           webhooks.username       AS username,
           webhooks.password       AS password,
           accounts.webhook_secret AS signature_secret,
           NULL                    AS tls_cert,
           NULL                    AS tls_key,
           NULL                    AS tls_ca
    FROM jambones.accounts AS accounts
    JOIN jambones.webhooks AS webhooks
      ON webhooks.webhook_sid = accounts.registration_hook_sid
    WHERE accounts.is_active AND accounts.sip_realm IS NOT NULL;

REPLACE INTO version (table_name, table_version) VALUES ('http_endpoints', 2);
