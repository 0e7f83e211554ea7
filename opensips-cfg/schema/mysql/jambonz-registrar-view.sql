-- auth_web: jambonz's accounts and their limits for registrar.cfg, for MySQL and MariaDB.
--
--   mariadb opensips < jambonz-view.sql
--   mariadb opensips < jambonz-registrar-view.sql
--
-- In place of registrar.sql: changes in jambonz's portal take effect here too. jambonz's database is
-- called jambones, the installer's default, and is on the same server. OpenSIPS needs no privileges in
-- it: the view reads it with those of the user who runs this. The tables location, registrant and
-- dialog are OpenSIPS's own: usrloc-create.sql, registrant-create.sql and dialog-create.sql of the
-- release that you run. Can be run again at any time.

-- The device limit of an account: with a subscription, device_to_call_ratio for each concurrent call,
-- plus devices booked in addition; else its own device limit; else unlimited.
CREATE OR REPLACE VIEW registrar_realms AS
    SELECT accounts.sip_realm             AS realm,
           accounts.is_active             AS is_active,
           accounts.registration_hook_sid AS endpoint,
           accounts.account_sid           AS account_sid,
           CAST(COALESCE(
               (SELECT SUM(CASE products.category
                               WHEN 'voice_call_session'
                                   THEN booked.quantity * accounts.device_to_call_ratio
                               WHEN 'device' THEN booked.quantity
                               ELSE 0
                           END)
                FROM jambones.account_subscriptions AS subscriptions
                JOIN jambones.account_products AS booked
                  ON booked.account_subscription_sid = subscriptions.account_subscription_sid
                JOIN jambones.products AS products
                  ON products.product_sid = booked.product_sid
                WHERE subscriptions.account_sid = accounts.account_sid
                  AND subscriptions.pending = 0
                  AND (subscriptions.effective_end_date IS NULL
                       OR subscriptions.effective_end_date > NOW())),
               (SELECT MIN(limits.quantity)
                FROM jambones.account_limits AS limits
                WHERE limits.account_sid = accounts.account_sid AND limits.category = 'device')
               ) AS SIGNED)               AS device_limit
    FROM jambones.accounts AS accounts
    WHERE accounts.sip_realm IS NOT NULL;
