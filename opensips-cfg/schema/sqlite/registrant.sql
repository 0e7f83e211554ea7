-- auth_web: registrations at carriers, for SQLite.
--
--   sqlite3 /var/lib/opensips/opensips.db < registrant.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: the table is
-- that of OpenSIPS's registrant-create.sql, and is left unchanged if it exists.

-- The layout version of each table; OpenSIPS modules check it before they use a table.
CREATE TABLE IF NOT EXISTS version (
    table_name    CHAR(32)          NOT NULL,
    table_version INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT version_t_name_idx UNIQUE (table_name)
);

CREATE TABLE IF NOT EXISTS registrant (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    registrar              CHAR(255) DEFAULT '' NOT NULL,
    proxy                  CHAR(255) DEFAULT NULL,
    aor                    CHAR(255) DEFAULT '' NOT NULL,
    third_party_registrant CHAR(255) DEFAULT NULL,
    username               CHAR(64)  DEFAULT NULL,
    password               CHAR(64)  DEFAULT NULL,
    binding_URI            CHAR(255) DEFAULT '' NOT NULL,
    binding_params         CHAR(64)  DEFAULT NULL,
    expiry                 INTEGER   DEFAULT NULL,
    forced_socket          CHAR(64)  DEFAULT NULL,
    cluster_shtag          CHAR(64)  DEFAULT NULL,
    state                  INTEGER   DEFAULT 0 NOT NULL,
    CONSTRAINT registrant_idx UNIQUE (aor, binding_URI, registrar)
);

INSERT OR IGNORE INTO version (table_name, table_version) VALUES ('registrant', 3);

-- Does what registrar.cfg has MySQL compute, which is not possible with the SQLite driver: 3600 seconds
-- if a row gives none, and never less than 30.
CREATE TRIGGER IF NOT EXISTS registrant_expiry_inserted AFTER INSERT ON registrant
    WHEN COALESCE(NEW.expiry, 0) < 30
BEGIN
    UPDATE registrant SET expiry = CASE COALESCE(NEW.expiry, 0) WHEN 0 THEN 3600 ELSE 30 END
    WHERE id = NEW.id;
END;

CREATE TRIGGER IF NOT EXISTS registrant_expiry_updated AFTER UPDATE OF expiry ON registrant
    WHEN COALESCE(NEW.expiry, 0) < 30
BEGIN
    UPDATE registrant SET expiry = CASE COALESCE(NEW.expiry, 0) WHEN 0 THEN 3600 ELSE 30 END
    WHERE id = NEW.id;
END;

UPDATE registrant SET expiry = expiry WHERE COALESCE(expiry, 0) < 30;
