-- auth_web: the accounts of registrar.cfg and their limits, for SQLite. After http.sql.
--
--   sqlite3 /var/lib/opensips/opensips.db < registrar.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged. The tables location, registrant and dialog are OpenSIPS's own:
-- usrloc-create.sql, registrant-create.sql and dialog-create.sql of the release that you run.

-- One row for each account, by its realm in lower case. device_limit: how many devices may be
-- registered at the same time; NULL means unlimited.
CREATE TABLE IF NOT EXISTS registrar_accounts (
    realm        CHAR(190) COLLATE NOCASE NOT NULL PRIMARY KEY,
    is_active    INTEGER   NOT NULL DEFAULT 1,
    device_limit INTEGER   DEFAULT NULL
);

-- The table that registrar.cfg queries: the accounts, each with the realm of its endpoint if it has one.
-- Devices of an account without an endpoint use tokens. The driver can't read views, so triggers keep it.
CREATE TABLE IF NOT EXISTS registrar_directory (
    realm        CHAR(190) COLLATE NOCASE NOT NULL PRIMARY KEY,
    is_active    INTEGER   NOT NULL,
    endpoint     CHAR(190),
    device_limit INTEGER
);

CREATE TRIGGER IF NOT EXISTS registrar_account_inserted AFTER INSERT ON registrar_accounts BEGIN
    INSERT OR REPLACE INTO registrar_directory VALUES (NEW.realm, NEW.is_active,
        (SELECT realm FROM http_endpoints WHERE realm = NEW.realm), NEW.device_limit);
END;

CREATE TRIGGER IF NOT EXISTS registrar_account_updated AFTER UPDATE ON registrar_accounts BEGIN
    DELETE FROM registrar_directory WHERE realm = OLD.realm;
    INSERT OR REPLACE INTO registrar_directory VALUES (NEW.realm, NEW.is_active,
        (SELECT realm FROM http_endpoints WHERE realm = NEW.realm), NEW.device_limit);
END;

CREATE TRIGGER IF NOT EXISTS registrar_account_deleted AFTER DELETE ON registrar_accounts BEGIN
    DELETE FROM registrar_directory WHERE realm = OLD.realm;
END;

CREATE TRIGGER IF NOT EXISTS registrar_endpoint_inserted AFTER INSERT ON http_endpoints BEGIN
    UPDATE registrar_directory SET endpoint = NEW.realm WHERE realm = NEW.realm;
END;

CREATE TRIGGER IF NOT EXISTS registrar_endpoint_updated AFTER UPDATE OF realm ON http_endpoints BEGIN
    UPDATE registrar_directory SET endpoint = NULL WHERE realm = OLD.realm;
    UPDATE registrar_directory SET endpoint = NEW.realm WHERE realm = NEW.realm;
END;

CREATE TRIGGER IF NOT EXISTS registrar_endpoint_deleted AFTER DELETE ON http_endpoints BEGIN
    UPDATE registrar_directory SET endpoint = NULL WHERE realm = OLD.realm;
END;

-- What was there before the triggers.
INSERT OR REPLACE INTO registrar_directory
    SELECT accounts.realm, accounts.is_active,
        (SELECT realm FROM http_endpoints WHERE realm = accounts.realm), accounts.device_limit
    FROM registrar_accounts AS accounts;
