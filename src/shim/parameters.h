/*
 * Names of the exported parameters; what each means and allows is in src/config/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_PARAMETERS_H
#define AUTH_WEB_PARAMETERS_H

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
	/* of ours: the database */ \
	PARAMETER(db_driver) \
	PARAMETER(db_timeout) \
	PARAMETER(cache_mode) \
	PARAMETER(cache_ttl) \
	PARAMETER(cache_size) \
	PARAMETER(cache_grace) \
	/* of ours: tokens */ \
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
	PARAMETER(token_cache_size) \
	PARAMETER(weak_keys) \
	PARAMETER(jwks_url) \
	PARAMETER(username_claim) \
	PARAMETER(jwt_aor) \
	PARAMETER(jwks_min_ttl) \
	PARAMETER(jwks_max_ttl) \
	PARAMETER(jwks_min_refresh) \
	/* of ours: webhooks */ \
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
	PARAMETER(http_user_agent) \
	PARAMETER(http_max_inflight) \
	PARAMETER(http_max_inflight_endpoint) \
	PARAMETER(http_breaker_failures) \
	PARAMETER(http_breaker_time) \
	PARAMETER(blacklist_time) \
	PARAMETER(cachedb_url) \
	PARAMETER(nonce_secret) \
	PARAMETER(nonce_expire) \
	PARAMETER(nonce_check) \
	PARAMETER(load_grant) \
	PARAMETER(load_authorization) \
	PARAMETER(aor_check) \
	PARAMETER(endpoints_table) \
	PARAMETER(endpoint_realm_column) \
	PARAMETER(endpoint_url_column) \
	PARAMETER(endpoint_method_column) \
	PARAMETER(endpoint_username_column) \
	PARAMETER(endpoint_password_column) \
	PARAMETER(endpoint_secret_column) \
	/* of ours: credentials for the way out */ \
	PARAMETER(credential) \
	PARAMETER(credentials_table) \
	PARAMETER(credential_server_column) \
	PARAMETER(credential_realm_column) \
	PARAMETER(credential_user_column) \
	PARAMETER(credential_username_column) \
	PARAMETER(credential_password_column)

#endif
