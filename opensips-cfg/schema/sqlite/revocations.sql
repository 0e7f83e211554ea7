-- auth_web: the tokens that are revoked before they end, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < revocations.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- One row for each revocation of tokens. type: jti, sub, sid or kid. value: that of the tokens, byte by byte.
-- issuer: their claim iss, or NULL for any. before_ts: for type sub, the last UNIX second in which they were
-- issued, or NULL for all. exp: their own, the UNIX second in which the last of them ends, or NULL for never;
-- a row of which it is over does not count any more, and may be deleted.
CREATE TABLE IF NOT EXISTS jwt_revocations (
    id        INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    type      CHAR(3)   NOT NULL,
    value     CHAR(255) NOT NULL,
    issuer    CHAR(255) DEFAULT NULL,
    before_ts BIGINT    DEFAULT NULL,
    exp       BIGINT    DEFAULT NULL
);

INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('jwt_revocations', 1);
