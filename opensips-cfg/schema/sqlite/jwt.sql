-- auth_web: token profiles and their secrets, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < jwt.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time:
-- whatever is there already stays as it is. Names and types are those of auth_jwt's tables.

-- Which layout each table has; OpenSIPS modules look here before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- One row for each value that the tag claim of a token may have.
-- sip_username is whom its tokens stand for: the whole address of record, such as 'alice@example.org'
-- (jwt_aor "full"), or a user of the domains that jwt_aor names.
CREATE TABLE IF NOT EXISTS jwt_profiles (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    tag          CHAR(128) NOT NULL,
    sip_username CHAR(128) NOT NULL,
    CONSTRAINT jwt_profiles_jwt_tag_idx UNIQUE (tag)
);

-- Any number of secrets for a profile: a public key or certificate as PEM, or the shared secret
-- of an HMAC. Each counts from the second start_ts until before the second end_ts (UNIX time).
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
