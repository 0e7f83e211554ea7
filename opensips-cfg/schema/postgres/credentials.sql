-- auth_web: credentials for outbound requests, for PostgreSQL.
--
--   psql -d opensips -f credentials.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    VARCHAR(32)       NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

-- The user name and password that answer a challenge. server (the host that challenges), realm and
-- sip_user (on whose behalf) match exactly, or anything if NULL or empty. The row with the most exact
-- server is used, among those the one with the most exact realm, then user; of two rows for the same,
-- the later one.
CREATE TABLE IF NOT EXISTS credentials (
    id       SERIAL PRIMARY KEY NOT NULL,
    server   VARCHAR(255) DEFAULT NULL,
    realm    VARCHAR(255) DEFAULT NULL,
    sip_user VARCHAR(255) DEFAULT NULL,
    username VARCHAR(255) NOT NULL,
    password VARCHAR(255) DEFAULT NULL
);

INSERT INTO version (table_name, table_version)
    SELECT 'credentials', 1
    WHERE NOT EXISTS (SELECT 1 FROM version WHERE table_name = 'credentials');
