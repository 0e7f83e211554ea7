-- auth_web: token profiles and their secrets, for MySQL and MariaDB.
--
--   mariadb opensips < jwt.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged. Names and types are those of auth_jwt's tables.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)               NOT NULL,
    table_version INT UNSIGNED DEFAULT 0 NOT NULL,
    CONSTRAINT t_name_idx UNIQUE (table_name)
) ENGINE=InnoDB;

-- One row for each value that the tag claim of a token may have. sip_username is the user that its
-- tokens stand for: the full address of record, such as 'alice@example.org' (jwt_aor "full"), or a user
-- of the domains that jwt_aor names. Tags are compared byte by byte, so that "Bob" and "bob" are two
-- profiles.
CREATE TABLE IF NOT EXISTS jwt_profiles (
    id           INT(10) UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tag          CHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    sip_username CHAR(128) NOT NULL,
    CONSTRAINT jwt_tag_idx UNIQUE (tag)
) ENGINE=InnoDB;

-- Any number of secrets for a profile: a public key or certificate as PEM, or a shared secret for HMAC.
-- Each is valid from start_ts until just before end_ts (UNIX time in seconds).
CREATE TABLE IF NOT EXISTS jwt_secrets (
    id                INT(10) UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    corresponding_tag CHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    secret            TEXT NOT NULL,
    start_ts          INT  NOT NULL,
    end_ts            INT  NOT NULL,
    INDEX jwt_secrets_tag_idx (corresponding_tag)
) ENGINE=InnoDB;

INSERT IGNORE INTO version (table_name, table_version) VALUES ('jwt_profiles', 1);
INSERT IGNORE INTO version (table_name, table_version) VALUES ('jwt_secrets', 1);
