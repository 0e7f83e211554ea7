-- auth_web: token profiles and their secrets, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < jwt.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged. Names and types are those of auth_jwt's tables.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- One row for each value that the tag claim of a token may have. sip_username is the user that its
-- tokens stand for: the full address of record, such as 'alice@example.org' (jwt_aor "full"), or a user
-- of the domains that jwt_aor names.
CREATE TABLE IF NOT EXISTS jwt_profiles (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    tag          CHAR(128) NOT NULL,
    sip_username CHAR(128) NOT NULL,
    CONSTRAINT jwt_profiles_jwt_tag_idx UNIQUE (tag)
);

-- Any number of secrets for a profile: a public key or certificate as PEM, or a shared secret for HMAC.
-- Each is valid from start_ts until just before end_ts (UNIX time in seconds).
CREATE TABLE IF NOT EXISTS jwt_secrets (
    id                INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    corresponding_tag CHAR(128) NOT NULL,
    secret            TEXT      NOT NULL,
    start_ts          INTEGER   NOT NULL,
    end_ts            INTEGER   NOT NULL
);
CREATE INDEX IF NOT EXISTS jwt_secrets_tag_idx ON jwt_secrets (corresponding_tag);

INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('jwt_profiles', 1);
INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('jwt_secrets', 1);
