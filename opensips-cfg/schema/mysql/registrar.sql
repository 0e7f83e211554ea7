-- auth_web: the accounts of registrar.cfg and their limits, for MySQL and MariaDB. After http.sql.
--
--   mariadb opensips < registrar.sql
--
-- Can be run on a database that OpenSIPS's own scripts have set up, and again at any time: existing
-- tables and rows are left unchanged. The tables location, registrant and dialog are OpenSIPS's own:
-- usrloc-create.sql, registrant-create.sql and dialog-create.sql of the release that you run.

-- One row for each account, by its realm in lower case. device_limit: how many devices may be
-- registered at the same time; NULL means unlimited.
CREATE TABLE IF NOT EXISTS registrar_accounts (
    realm        VARCHAR(190) NOT NULL PRIMARY KEY,
    is_active    BOOLEAN      NOT NULL DEFAULT 1,
    device_limit INT UNSIGNED DEFAULT NULL
) ENGINE=InnoDB;

-- The view that registrar.cfg queries. Devices of an account without an endpoint use tokens. account_sid is
-- that of an account of jambonz, which these are not.
CREATE OR REPLACE VIEW registrar_realms AS
    SELECT accounts.realm        AS realm,
           accounts.is_active    AS is_active,
           endpoints.realm       AS endpoint,
           accounts.device_limit AS device_limit,
           CAST(NULL AS CHAR(36)) AS account_sid
    FROM registrar_accounts AS accounts
    LEFT JOIN http_endpoints AS endpoints ON endpoints.realm = accounts.realm;
