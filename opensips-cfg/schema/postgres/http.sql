-- auth_web: the webhook endpoint of each realm, for PostgreSQL.
--
--   psql -d opensips -f http.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    VARCHAR(32)       NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- One row for each realm, in lower case. url: one, or several separated by blanks, for failover.
-- method, signature_secret: NULL means the parameters http_method and http_signature_secret. username,
-- password: for Basic authentication; NULL means none, as http_username and http_password are never
-- sent to an endpoint of this table. tls_cert, tls_key, tls_ca: absolute paths of PEM files, of
-- the client certificate, its key, and the authorities trusted for this endpoint; NULL means http_tls_cert,
-- http_tls_key and http_tls_ca. Without tls_key, the key is in the file of the certificate.
--
-- Version 2 of the table added these three. To a table of version 1, add them, and then:
--   UPDATE version SET table_version = 2 WHERE table_name = 'http_endpoints';
CREATE TABLE IF NOT EXISTS http_endpoints (
    id               SERIAL PRIMARY KEY NOT NULL,
    realm            VARCHAR(190)  NOT NULL,
    url              VARCHAR(1024) NOT NULL,
    method           VARCHAR(8)    DEFAULT NULL,
    username         VARCHAR(255)  DEFAULT NULL,
    password         VARCHAR(255)  DEFAULT NULL,
    signature_secret VARCHAR(255)  DEFAULT NULL,
    tls_cert         VARCHAR(255)  DEFAULT NULL,
    tls_key          VARCHAR(255)  DEFAULT NULL,
    tls_ca           VARCHAR(255)  DEFAULT NULL,
    CONSTRAINT http_endpoints_realm_idx UNIQUE (realm)
);

INSERT INTO version (table_name, table_version)
    SELECT 'http_endpoints', 2
    WHERE NOT EXISTS (SELECT 1 FROM version WHERE table_name = 'http_endpoints');
