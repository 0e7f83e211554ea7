-- auth_web: jambonz's clients for registrar.cfg, for MySQL and MariaDB.
--
--   mariadb opensips < jambonz-view.sql
--   mariadb opensips < jambonz-registrar-view.sql
--   mariadb opensips < jambonz-clients-view.sql
--
-- Devices of accounts without a registration webhook are admitted by the passwords that jambonz's portal
-- gives its clients: CLIENTS_TABLE=registrar_clients. jambonz's database is called jambones, the installer's
-- default, and is on the same server. OpenSIPS needs no privileges in it: the view reads it with those of the
-- user who runs this. Passwords stay encrypted in it. Can be run again at any time.

CREATE OR REPLACE VIEW registrar_clients AS
    SELECT clients.account_sid                AS account_sid,
           clients.username                   AS username,
           clients.password                   AS password,
           clients.is_active                  AS is_active,
           clients.allow_direct_app_calling   AS allow_direct_app_calling,
           clients.allow_direct_queue_calling AS allow_direct_queue_calling,
           clients.allow_direct_user_calling  AS allow_direct_user_calling
    FROM jambones.clients AS clients;
