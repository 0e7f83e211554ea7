/*
 * What the module exports: one row for each script function, parameter, statistic (counter or gauge) and
 * command of the management interface. The tables of the shim, the enums of the interface and, through
 * bindgen, those of the Rust code are made from these rows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_EXPORTS_H
#define AUTH_WEB_EXPORTS_H

/*
 * FUNCTION(name, arguments), or ASYNC_FUNCTION if there is an asynchronous form as well. What they
 * do is in calls::call (src/calls.rs). An argument is
 *   IN, IN_OPTIONAL       a string
 *   NUMBER_OPTIONAL       an integer
 *   VARIABLE              a variable to read, which may have no value
 *   OUT, OUT_OPTIONAL     a writable variable
 *   OUT_JWT               the same, of a function that needs to know by what tokens are judged
 */
#define AW_FUNCTIONS \
	ASYNC_FUNCTION(jwt_authorize, IN, OUT_JWT, OUT, OUT_OPTIONAL) \
	ASYNC_FUNCTION(jwt_db_authorize, IN, OUT_JWT, OUT, OUT_OPTIONAL) \
	FUNCTION(jwt_script_authorize, IN, IN, OUT, OUT_OPTIONAL) \
	FUNCTION(extract_pub_key_from_cert, IN, OUT) \
	FUNCTION(extract_pub_key_from_exp_mod, IN, IN, OUT) \
	FUNCTION(jwt_sign, IN, IN, IN, OUT, IN_OPTIONAL) \
	FUNCTION(jwt_challenge, OUT, IN, IN_OPTIONAL, IN_OPTIONAL, IN_OPTIONAL) \
	ASYNC_FUNCTION(http_authorize, IN, OUT, OUT_OPTIONAL, OUT_OPTIONAL) \
	ASYNC_FUNCTION(digest_authorize, IN, IN_OPTIONAL, OUT_OPTIONAL) \
	FUNCTION(check_headers, OUT_OPTIONAL, IN_OPTIONAL) \
	FUNCTION(contact_get, OUT, OUT, OUT_OPTIONAL, OUT_OPTIONAL) \
	FUNCTION(target_get, OUT) \
	FUNCTION(token_get, OUT) \
	FUNCTION(unsupported_get, IN, IN, OUT) \
	FUNCTION(denial_headers, VARIABLE, OUT) \
	FUNCTION(caller_route_set, OUT) \
	FUNCTION(callee_route_set, IN, OUT) \
	FUNCTION(check_route_set, IN, IN_OPTIONAL) \
	FUNCTION(is_equal, VARIABLE, VARIABLE) \
	FUNCTION(is_from, IN) \
	FUNCTION(is_same_destination, VARIABLE, VARIABLE) \
	FUNCTION(source_get, OUT, OUT_OPTIONAL) \
	FUNCTION(peer_get, VARIABLE, IN, OUT) \
	FUNCTION(hook_url, VARIABLE, OUT) \
	FUNCTION(aor_get, IN, OUT, OUT, OUT_OPTIONAL) \
	FUNCTION(digest_challenge, OUT, IN, IN_OPTIONAL, NUMBER_OPTIONAL) \
	ASYNC_FUNCTION(challenge_headers, OUT, IN, IN_OPTIONAL, IN_OPTIONAL, NUMBER_OPTIONAL) \
	FUNCTION(digest_realm, IN, OUT, NUMBER_OPTIONAL, OUT_OPTIONAL) \
	FUNCTION(digest_answer, IN, IN, IN, IN, IN, IN, OUT) \
	FUNCTION(use_sent_cseq) \
	FUNCTION(credentials_get, IN, IN, IN, OUT, OUT) \
	ASYNC_FUNCTION(realm_get, IN) \
	ASYNC_FUNCTION(registration_save, IN, IN, IN_OPTIONAL, OUT_OPTIONAL, IN_OPTIONAL) \
	ASYNC_FUNCTION(registration_get, IN, OUT) \
	ASYNC_FUNCTION(registration_remove, IN, OUT_OPTIONAL, IN_OPTIONAL) \
	ASYNC_FUNCTION(registration_restore, IN, IN_OPTIONAL) \
	FUNCTION(registration_is_newest, IN) \
	ASYNC_FUNCTION(registration_count, IN, OUT, IN_OPTIONAL) \
	FUNCTION(registration_expire) \
	FUNCTION(alert_raise, IN, IN_OPTIONAL, IN_OPTIONAL, IN_OPTIONAL, IN_OPTIONAL) \
	FUNCTION(stats_begin, OUT) \
	FUNCTION(stats_time, IN, VARIABLE, IN_OPTIONAL) \
	FUNCTION(stats_gauge, IN, IN, IN_OPTIONAL) \
	ASYNC_FUNCTION(server_checkin, OUT_OPTIONAL)

/* PARAMETER(name). What each means and allows is in src/config/. */
#define AW_PARAMETERS \
	/* of auth_jwt */ \
	PARAMETER(db_mode) \
	PARAMETER(db_url) \
	PARAMETER(profiles_table) \
	PARAMETER(secrets_table) \
	PARAMETER(tag_column) \
	PARAMETER(username_column) \
	PARAMETER(secret_tag_column) \
	PARAMETER(secret_column) \
	PARAMETER(start_ts_column) \
	PARAMETER(start_ts) \
	PARAMETER(end_ts_column) \
	PARAMETER(end_ts) \
	PARAMETER(tag_claim) \
	PARAMETER(load_credentials) \
	/* our own: the database */ \
	PARAMETER(db_driver) \
	PARAMETER(db_timeout) \
	PARAMETER(cache_mode) \
	PARAMETER(cache_ttl) \
	PARAMETER(cache_size) \
	PARAMETER(cache_grace) \
	PARAMETER(shared_cache_size) \
	/* our own: tokens */ \
	PARAMETER(algorithms) \
	PARAMETER(leeway) \
	PARAMETER(issuer) \
	PARAMETER(audience) \
	PARAMETER(require_exp) \
	PARAMETER(max_token_size) \
	PARAMETER(required_claims) \
	PARAMETER(max_age) \
	PARAMETER(token_type) \
	PARAMETER(required_scope) \
	PARAMETER(load_claims) \
	PARAMETER(bound_tokens) \
	PARAMETER(client_certificate_avp) \
	PARAMETER(token_cache_size) \
	PARAMETER(signature_cache_size) \
	PARAMETER(revocations_max) \
	PARAMETER(revocations_table) \
	PARAMETER(revocations_cachedb) \
	PARAMETER(logout_audience) \
	PARAMETER(logout_expire) \
	PARAMETER(weak_keys) \
	PARAMETER(jwks_url) \
	PARAMETER(issuer_url) \
	PARAMETER(issuer_tenants) \
	PARAMETER(issuers_table) \
	PARAMETER(authz_server) \
	PARAMETER(username_claim) \
	PARAMETER(jwt_aor) \
	PARAMETER(jwks_min_ttl) \
	PARAMETER(jwks_max_ttl) \
	PARAMETER(jwks_min_refresh) \
	PARAMETER(jwks_cache_size) \
	PARAMETER(jwks_tls_ca) \
	PARAMETER(jwks_tls_cert) \
	PARAMETER(jwks_tls_key) \
	PARAMETER(jwks_proxy) \
	PARAMETER(jwks_basic) \
	PARAMETER(jwks_retry_after_max) \
	PARAMETER(introspection_url) \
	PARAMETER(introspection_client_id) \
	PARAMETER(introspection_client_secret) \
	PARAMETER(introspection_auth) \
	PARAMETER(introspection_key_id) \
	PARAMETER(introspection_algorithm) \
	PARAMETER(introspection_tokens) \
	PARAMETER(introspection_signed) \
	PARAMETER(introspection_timeout) \
	PARAMETER(introspection_ttl) \
	PARAMETER(introspection_inactive_ttl) \
	PARAMETER(introspection_source_limit) \
	PARAMETER(introspection_limit) \
	/* our own: webhooks */ \
	PARAMETER(http_url) \
	PARAMETER(http_method) \
	PARAMETER(http_username) \
	PARAMETER(http_password) \
	PARAMETER(http_signature_secret) \
	PARAMETER(http_signature_header) \
	PARAMETER(http_headers) \
	PARAMETER(http_timeout) \
	PARAMETER(http_connect_timeout) \
	PARAMETER(http_tls_ca) \
	PARAMETER(http_tls_verify) \
	PARAMETER(http_tls_cert) \
	PARAMETER(http_tls_key) \
	PARAMETER(http_proxy) \
	PARAMETER(http_user_agent) \
	PARAMETER(http_max_inflight) \
	PARAMETER(http_max_inflight_endpoint) \
	PARAMETER(http_max_inflight_endpoint_total) \
	PARAMETER(http_breaker_failures) \
	PARAMETER(http_breaker_time) \
	PARAMETER(http_retry_after_max) \
	PARAMETER(blacklist_time) \
	PARAMETER(cachedb_url) \
	PARAMETER(cachedb_driver) \
	PARAMETER(cachedb_timeout) \
	PARAMETER(cachedb_required) \
	PARAMETER(nonce_secret) \
	PARAMETER(nonce_expire) \
	PARAMETER(nonce_check) \
	PARAMETER(load_grant) \
	PARAMETER(load_authorization) \
	PARAMETER(aor_check) \
	PARAMETER(caller_by_credentials) \
	PARAMETER(caller_realm_avp) \
	PARAMETER(endpoints_table) \
	PARAMETER(endpoint_realm_column) \
	PARAMETER(endpoint_url_column) \
	PARAMETER(endpoint_method_column) \
	PARAMETER(endpoint_username_column) \
	PARAMETER(endpoint_password_column) \
	PARAMETER(endpoint_secret_column) \
	PARAMETER(endpoint_tls_cert_column) \
	PARAMETER(endpoint_tls_key_column) \
	PARAMETER(endpoint_tls_ca_column) \
	/* our own: passwords that are known here */ \
	PARAMETER(digest_uri_check) \
	PARAMETER(subscriber_table) \
	PARAMETER(subscriber_user_column) \
	PARAMETER(subscriber_domain_column) \
	PARAMETER(subscriber_use_domain) \
	PARAMETER(subscriber_password_column) \
	PARAMETER(subscriber_ha1_column) \
	PARAMETER(subscriber_ha1_sha256_column) \
	PARAMETER(subscriber_ha1_sha512t256_column) \
	PARAMETER(clients_table) \
	PARAMETER(clients_secret) \
	PARAMETER(clients_cipher) \
	/* our own: outbound credentials */ \
	PARAMETER(credential) \
	PARAMETER(credentials_table) \
	PARAMETER(credential_server_column) \
	PARAMETER(credential_realm_column) \
	PARAMETER(credential_user_column) \
	PARAMETER(credential_username_column) \
	PARAMETER(credential_password_column) \
	/* our own: realms */ \
	PARAMETER(realms_table) \
	PARAMETER(realm_column) \
	PARAMETER(realm_parent) \
	PARAMETER(load_realm) \
	/* our own: registrations */ \
	PARAMETER(registration_address) \
	PARAMETER(registration_private_address) \
	PARAMETER(load_registration) \
	PARAMETER(registration_adopt_interval) \
	/* our own: servers that check in */ \
	PARAMETER(checkin_networks) \
	PARAMETER(cluster_id) \
	PARAMETER(checkin_expires) \
	PARAMETER(checkin_interval) \
	/* our own: the addresses of this server */ \
	PARAMETER(sbc_addresses_table) \
	PARAMETER(sbc_addresses) \
	PARAMETER(sbc_addresses_interval) \
	PARAMETER(sbc_addresses_expire) \
	/* our own: registrations at carriers */ \
	PARAMETER(carriers_table) \
	PARAMETER(gateways_table) \
	PARAMETER(accounts_table) \
	PARAMETER(system_table) \
	PARAMETER(trunk_interval) \
	PARAMETER(trunk_contact_address) \
	PARAMETER(trunk_contact_by_address) \
	PARAMETER(trunk_domain) \
	PARAMETER(trunk_expires) \
	PARAMETER(trunk_min_expires) \
	PARAMETER(trunk_retry) \
	PARAMETER(trunk_timeout) \
	PARAMETER(trunk_remove_codes) \
	PARAMETER(trunk_remove_after) \
	PARAMETER(ping_interval) \
	PARAMETER(ping_ttl) \
	PARAMETER(ping_remove_codes) \
	/* our own: what is logged and told */ \
	PARAMETER(log_rate) \
	PARAMETER(event_rate) \
	/* our own: alerts and metrics for others */ \
	PARAMETER(alerts_url) \
	PARAMETER(alert_account_avp) \
	PARAMETER(stats_server) \
	PARAMETER(stats_prefix) \
	PARAMETER(stats_tags)

/*
 * Response times, as counters: how often it took no longer than each bound, in milliseconds, and in all;
 * how often; and microseconds altogether.
 */
#define AW_HISTOGRAM(name) \
	STATISTIC(name##_le_1) \
	STATISTIC(name##_le_5) \
	STATISTIC(name##_le_10) \
	STATISTIC(name##_le_25) \
	STATISTIC(name##_le_50) \
	STATISTIC(name##_le_100) \
	STATISTIC(name##_le_250) \
	STATISTIC(name##_le_500) \
	STATISTIC(name##_le_1000) \
	STATISTIC(name##_le_2500) \
	STATISTIC(name##_le_5000) \
	STATISTIC(name##_le_inf) \
	STATISTIC(name##_count) \
	STATISTIC(name##_sum_us)

/* STATISTIC(name), a counter, or AW_HISTOGRAM(name). */
#define AW_STATISTICS \
	/* tokens that were admitted, and that were not */ \
	STATISTIC(jwt_accepted) \
	STATISTIC(jwt_rejected) \
	/* signatures of public keys that were verified, rather than remembered */ \
	STATISTIC(jwt_signatures) \
	/* queries to the store of profiles, and those that it did not answer */ \
	STATISTIC(jwt_store_queries) \
	STATISTIC(jwt_store_failures) \
	/* tokens that were judged by an old profile, because the store failed (cache_grace) */ \
	STATISTIC(jwt_served_stale) \
	/* keys of a URL that could not be fetched when a token needed them */ \
	STATISTIC(jwks_failures) \
	/* tokens that their issuer was asked for, and those of which it did not say whether they are active */ \
	STATISTIC(introspections) \
	STATISTIC(introspection_failures) \
	/* requests that an endpoint admitted; that it denied, whose realm has none, or that are another's */ \
	STATISTIC(http_admitted) \
	STATISTIC(http_denied) \
	/* requests of sources that are banned */ \
	STATISTIC(http_banned) \
	/* requests whose nonce is not ours, stale or replayed */ \
	STATISTIC(http_bad_nonces) \
	/* requests that no endpoint answered as it should; of these, those that were not sent because
	 * too many were in progress */ \
	STATISTIC(http_failures) \
	STATISTIC(http_overloads) \
	/* requests that a password admitted; that it did not, or that are another's; that could not be decided */ \
	STATISTIC(digest_admitted) \
	STATISTIC(digest_denied) \
	STATISTIC(digest_failures) \
	/* questions to the CacheDB that were not answered */ \
	STATISTIC(cachedb_failures) \
	/* registrations that were saved in Redis, that were not because of the limit, and that were removed */ \
	STATISTIC(registrations_saved) \
	STATISTIC(registrations_full) \
	STATISTIC(registrations_removed) \
	/* refusals, by function and return code */ \
	STATISTIC(jwt_refused_1) \
	STATISTIC(jwt_refused_2) \
	STATISTIC(jwt_refused_3) \
	STATISTIC(jwt_refused_4) \
	STATISTIC(jwt_refused_5) \
	STATISTIC(jwt_refused_6) \
	STATISTIC(jwt_refused_7) \
	STATISTIC(jwt_refused_8) \
	STATISTIC(jwt_script_refused_1) \
	STATISTIC(jwt_script_refused_2) \
	STATISTIC(http_refused_1) \
	STATISTIC(http_refused_2) \
	STATISTIC(http_refused_3) \
	STATISTIC(http_refused_4) \
	STATISTIC(http_refused_5) \
	STATISTIC(http_refused_6) \
	STATISTIC(http_refused_7) \
	/* tokens whose verification, profile or active state was remembered */ \
	STATISTIC(jwt_remembered) \
	STATISTIC(jwt_profiles_cached) \
	STATISTIC(introspections_remembered) \
	/* questions to the database, those that it did not answer, and those that another process had asked */ \
	STATISTIC(db_queries) \
	STATISTIC(db_failures) \
	STATISTIC(db_shared) \
	/* documents that providers were asked for */ \
	STATISTIC(jwks_fetches) \
	/* requests for an endpoint, and why there was no answer */ \
	STATISTIC(http_requests) \
	STATISTIC(http_timeouts) \
	STATISTIC(http_unreachable) \
	STATISTIC(http_left_alone) \
	STATISTIC(http_bad_answers) \
	/* sources that were banned */ \
	STATISTIC(http_bans) \
	/* questions to the CacheDB */ \
	STATISTIC(cachedb_queries) \
	/* alerts that were raised, that were written to InfluxDB, and that are lost to it */ \
	STATISTIC(alerts_raised) \
	STATISTIC(alerts_written) \
	STATISTIC(alerts_lost) \
	/* metrics that were sent to stats_server, and that were not */ \
	STATISTIC(metrics_sent) \
	STATISTIC(metrics_lost) \
	/* response times: of endpoints, the database, providers, the CacheDB */ \
	AW_HISTOGRAM(http_time) \
	AW_HISTOGRAM(db_time) \
	AW_HISTOGRAM(jwks_time) \
	AW_HISTOGRAM(cachedb_time)

/* GAUGE(name): a state, over all processes. */
#define AW_GAUGES \
	/* calls of http_authorize that wait for an endpoint */ \
	GAUGE(http_in_flight) \
	/* connections that are open */ \
	GAUGE(http_connections) \
	GAUGE(db_connections) \
	GAUGE(cachedb_connections) \
	/* threads for what may block */ \
	GAUGE(threads) \
	/* URLs of endpoints and issuers that are left alone now */ \
	GAUGE(http_urls_left_alone) \
	/* whether the database and the CacheDB fail */ \
	GAUGE(db_failing) \
	GAUGE(cachedb_failing) \
	/* registrations in Redis, those of others included */ \
	GAUGE(registrations_active) \
	/* what is remembered in processes */ \
	GAUGE(tokens_cached) \
	GAUGE(profiles_cached) \
	/* servers that have checked in, as last looked at */ \
	GAUGE(feature_servers) \
	GAUGE(rtp_servers)

/* EVENT(name): of the event interface, published as E_AUTH_WEB_name. */
#define AW_EVENTS \
	/* a request that is refused */ \
	EVENT(DENIED) \
	/* a source that is banned */ \
	EVENT(BAN) \
	/* an endpoint that is left alone after failures, or answers again */ \
	EVENT(ENDPOINT) \
	/* the database or the CacheDB fails, or answers again */ \
	EVENT(STORE) \
	/* keys of a URL or an issuer that can't be fetched, or are again */ \
	EVENT(KEYS) \
	/* something that the owner of an account should know */ \
	EVENT(ALERT)

/* REPORT(name): an identifier of the status and report interface. */
#define AW_REPORTS \
	REPORT(database) \
	REPORT(cachedb) \
	REPORT(keys) \
	REPORT(endpoints) \
	REPORT(alerts)

/*
 * COMMAND(name, help, forms) of the management interface. Of a command, each set of parameters with
 * which it may be called is a FORM.
 */
#define AW_COMMANDS \
	COMMAND(auth_web_status, "shows what is at work, and whether the database answers", \
		FORM(auth_web_status, NULL)) \
	COMMAND(auth_web_config, "lists the parameters in force, without secrets; or one, by its name", \
		FORM(auth_web_config, NULL) \
		FORM(auth_web_config, "name")) \
	COMMAND(jwt_check, "tells what jwt_authorize would say of a token, or jwt_script_authorize with a key", \
		FORM(jwt_check, "token") \
		FORM(jwt_check, "token", "key")) \
	COMMAND(jwt_profile, "shows what is known of a tag: its secrets by kind, kid and validity", \
		FORM(jwt_profile, "tag")) \
	COMMAND(jwt_keys, "lists the files and URLs of keys: kids, age, next fetch, last error", \
		FORM(jwt_keys, NULL)) \
	COMMAND(jwt_keys_fetch, "fetches the keys of a URL now, for all processes", \
		FORM(jwt_keys_fetch, "url")) \
	COMMAND(http_endpoints, "lists the endpoints, and which of them fail", \
		FORM(http_endpoints, NULL) \
		FORM(http_endpoints, "offset")) \
	COMMAND(http_endpoint_set, "says of the URL of an endpoint whether it is asked: up, down or auto", \
		FORM(http_endpoint_set, "url", "state")) \
	COMMAND(http_check, "asks the endpoint of a realm as a request would, and shows question and answer", \
		FORM(http_check, "realm", "authorization")) \
	COMMAND(ban_list, "lists the sources that are banned", \
		FORM(ban_list, NULL)) \
	COMMAND(ban_add, "bans a source, for seconds or blacklist_time", \
		FORM(ban_add, "address") \
		FORM(ban_add, "address", "seconds")) \
	COMMAND(ban_remove, "ends the ban of a source", \
		FORM(ban_remove, "address")) \
	COMMAND(credentials_list, "lists the entries of credentials, without passwords", \
		FORM(credentials_list, NULL) \
		FORM(credentials_list, "offset")) \
	COMMAND(credentials_check, "tells which entry credentials_get would find", \
		FORM(credentials_check, "server") \
		FORM(credentials_check, "server", "realm") \
		FORM(credentials_check, "server", "realm", "user")) \
	COMMAND(trunk_list, "lists the registrations at carriers, without passwords", \
		FORM(trunk_list, NULL) \
		FORM(trunk_list, "offset")) \
	COMMAND(jwt_reload, "reads profiles, issuers, revocations and keys again, for all processes; with drop=1 " \
			"forgets them, also if that fails", \
		FORM(jwt_reload, NULL) \
		FORM(jwt_reload, "drop")) \
	COMMAND(jwt_revoke, "refuses tokens from now on: of a jti, sub, sid or kid", \
		FORM(jwt_revoke, "logout_token") \
		FORM(jwt_revoke, "type", "value") \
		FORM(jwt_revoke, "type", "value", "iss") \
		FORM(jwt_revoke, "type", "value", "exp") \
		FORM(jwt_revoke, "type", "value", "before") \
		FORM(jwt_revoke, "type", "value", "iss", "exp") \
		FORM(jwt_revoke, "type", "value", "iss", "before") \
		FORM(jwt_revoke, "type", "value", "exp", "before") \
		FORM(jwt_revoke, "type", "value", "iss", "exp", "before")) \
	COMMAND(jwt_revoked, "lists what is revoked", \
		FORM(jwt_revoked, NULL) \
		FORM(jwt_revoked, "offset") \
		FORM(jwt_revoked, "type", "value")) \
	COMMAND(registration_list, "lists the registrations in Redis, of all realms or one", \
		FORM(registration_list, NULL) \
		FORM(registration_list, "realm") \
		FORM(registration_list, "offset") \
		FORM(registration_list, "realm", "offset")) \
	COMMAND(server_list, "lists the feature servers, and which of them are drained", \
		FORM(server_list, NULL)) \
	COMMAND(server_available, "lists the feature servers that are not drained", \
		FORM(server_available, NULL)) \
	COMMAND(server_drained, "lists the addresses of feature servers that are drained", \
		FORM(server_drained, NULL)) \
	COMMAND(server_drain, "lets a feature server have no more calls", \
		FORM(server_drain, "address")) \
	COMMAND(server_undrain, "lets a feature server have calls again", \
		FORM(server_undrain, "address")) \
	COMMAND(credentials_reload, "reads the table of credentials again, for all processes; with drop=1 forgets " \
			"it, also if that fails", \
		FORM(credentials_reload, NULL) \
		FORM(credentials_reload, "drop"))

/* The kind of an argument. */
enum aw_argument {
	AW_ARGUMENT_NONE,
	AW_ARGUMENT_TEXT,
	AW_ARGUMENT_NUMBER,
	AW_ARGUMENT_OUTPUT,
};

/* The core passes eight, and writes the value of the eighth beyond the end of its array. */
enum { AW_MAX_ARGUMENTS = 7 };

#define FUNCTION(name, ...) AW_FUNCTION_##name,
#define ASYNC_FUNCTION(name, ...) AW_FUNCTION_##name,
enum aw_function { AW_FUNCTIONS };
#undef FUNCTION
#undef ASYNC_FUNCTION

#define PARAMETER(name) + 1
enum { AW_PARAMETERS_COUNT = 0 AW_PARAMETERS };
#undef PARAMETER

#define STATISTIC(name) AW_STATISTIC_##name,
enum aw_statistic { AW_STATISTICS };
#undef STATISTIC

#define STATISTIC(name) + 1
enum { AW_STATISTICS_COUNT = 0 AW_STATISTICS };
#undef STATISTIC

#define GAUGE(name) AW_GAUGE_##name,
enum aw_gauge { AW_GAUGES };
#undef GAUGE

#define GAUGE(name) + 1
enum { AW_GAUGES_COUNT = 0 AW_GAUGES };
#undef GAUGE

#define EVENT(name) AW_EVENT_##name,
enum aw_event { AW_EVENTS };
#undef EVENT

#define REPORT(name) AW_REPORT_##name,
enum aw_report { AW_REPORTS };
#undef REPORT

#define COMMAND(name, ...) AW_COMMAND_##name,
enum aw_command { AW_COMMANDS };
#undef COMMAND

#endif
