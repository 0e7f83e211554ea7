-- auth_web: credentials for outbound requests, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < credentials.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- The user name and password that answer a challenge. server (the host that challenges), realm and
-- sip_user (on whose behalf) match exactly, or anything if NULL or empty. The row with the most exact
-- server is used, among those the one with the most exact realm, then user; of two rows for the same,
-- the later one.
CREATE TABLE IF NOT EXISTS credentials (
    id       INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    server   CHAR(255) DEFAULT NULL,
    realm    CHAR(255) DEFAULT NULL,
    sip_user CHAR(255) DEFAULT NULL,
    username CHAR(255) NOT NULL,
    password CHAR(255) DEFAULT NULL
);

INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('credentials', 1);
