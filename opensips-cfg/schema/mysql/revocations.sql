-- auth_web: the tokens that are revoked before they end, for MySQL and MariaDB.
--
--   mariadb opensips < revocations.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)               NOT NULL,
    table_version INT UNSIGNED DEFAULT 0 NOT NULL,
    CONSTRAINT t_name_idx UNIQUE (table_name)
) ENGINE=InnoDB;

-- One row for each revocation of tokens. type: jti, sub, sid or kid. value: that of the tokens, byte by byte.
-- issuer: their claim iss, or NULL for any. before_ts: for type sub, the last UNIX second in which they were
-- issued, or NULL for all. exp: their own, the UNIX second in which the last of them ends, or NULL for never;
-- a row of which it is over does not count any more, and may be deleted.
CREATE TABLE IF NOT EXISTS jwt_revocations (
    id        INT(10) UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    type      CHAR(3)      CHARACTER SET ascii NOT NULL,
    value     VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    issuer    VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
    before_ts BIGINT       DEFAULT NULL,
    exp       BIGINT       DEFAULT NULL
) ENGINE=InnoDB;

INSERT IGNORE INTO version (table_name, table_version) VALUES ('jwt_revocations', 1);
