-- auth_web: token profiles and their secrets, for MySQL and MariaDB.
--
--   mariadb opensips < jwt.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time:
-- whatever is there already stays as it is. Names and types are those of auth_jwt's tables.

-- Which layout each table has; OpenSIPS modules look here before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)               NOT NULL,
    table_version INT UNSIGNED DEFAULT 0 NOT NULL,
    CONSTRAINT t_name_idx UNIQUE (table_name)
) ENGINE=InnoDB;

-- One row for each value that the tag claim of a token may have.
-- sip_username is whom its tokens stand for: the whole address of record, such as 'alice@example.org'
-- (jwt_aor "full"), or a user of the domains that jwt_aor names.
-- Tags are compared byte by byte, so that "Bob" and "bob" are two profiles.
CREATE TABLE IF NOT EXISTS jwt_profiles (
    id           INT(10) UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tag          CHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    sip_username CHAR(128) NOT NULL,
    CONSTRAINT jwt_tag_idx UNIQUE (tag)
) ENGINE=InnoDB;

-- Any number of secrets for a profile: a public key or certificate as PEM, or the shared secret
-- of an HMAC. Each counts from the second start_ts until before the second end_ts (UNIX time).
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
