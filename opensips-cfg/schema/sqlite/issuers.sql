-- auth_web: the issuers of tokens, each with rules of its own, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < issuers.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- One row for each issuer of tokens. issuer: the claim iss of its tokens, byte by byte; {tenantid} in it
-- stands for any of tenants. realm: the domains that it may speak for, or * for any. audience, tenants, realm,
-- algorithms: one, or several separated by commas or blanks. username_claim: a claim, or a text with claims
-- in braces. required_claims: name or name=value, separated by semicolons. NULL in audience, username_claim,
-- algorithms and required_claims means the parameter of that name. jwks: a JWK Set, or its https URL; NULL
-- means where the issuer's metadata say, which are at discovery_url, or where they follow from the issuer.
-- introspection_*: as the parameters of these names; the issuer is asked for tokens if there is a URL or a client.
-- introspection_client_secret: the secret or the private key, or file:///absolute/path.
-- authz_server: the https URI that challenges name as the authorization server; NULL means the issuer.
--
-- Version 2 added the columns from introspection_url on. To a table of version 1:
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_url CHAR(255) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_auth CHAR(32) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_client_id CHAR(255) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_client_secret TEXT DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_key_id CHAR(255) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_algorithm CHAR(16) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_tokens CHAR(16) DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN introspection_signed INTEGER DEFAULT NULL;
--   ALTER TABLE jwt_issuers ADD COLUMN authz_server CHAR(255) DEFAULT NULL;
--   UPDATE version SET table_version = 2 WHERE table_name = 'jwt_issuers';
CREATE TABLE IF NOT EXISTS jwt_issuers (
    id                          INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    issuer                      CHAR(255) NOT NULL,
    tenants                     TEXT          DEFAULT NULL,
    realm                       CHAR(1024) NOT NULL,
    audience                    CHAR(1024)    DEFAULT NULL,
    username_claim              CHAR(255)     DEFAULT NULL,
    algorithms                  CHAR(255)     DEFAULT NULL,
    required_claims             CHAR(1024)    DEFAULT NULL,
    discovery_url               CHAR(255)     DEFAULT NULL,
    jwks                        TEXT          DEFAULT NULL,
    introspection_url           CHAR(255)     DEFAULT NULL,
    introspection_auth          CHAR(32)      DEFAULT NULL,
    introspection_client_id     CHAR(255)     DEFAULT NULL,
    introspection_client_secret TEXT          DEFAULT NULL,
    introspection_key_id        CHAR(255)     DEFAULT NULL,
    introspection_algorithm     CHAR(16)      DEFAULT NULL,
    introspection_tokens        CHAR(16)      DEFAULT NULL,
    introspection_signed        INTEGER       DEFAULT NULL,
    authz_server                CHAR(255)     DEFAULT NULL
);

INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('jwt_issuers', 2);
