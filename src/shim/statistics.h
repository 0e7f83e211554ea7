/*
 * Names of the exported statistics, in the order of src/opensips/stats.rs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef AUTH_WEB_STATISTICS_H
#define AUTH_WEB_STATISTICS_H

#define AW_STATISTICS \
	STATISTIC(jwt_accepted) \
	STATISTIC(jwt_rejected) \
	STATISTIC(jwt_store_queries) \
	STATISTIC(jwt_store_failures) \
	STATISTIC(jwt_served_stale) \
	STATISTIC(jwks_failures) \
	STATISTIC(http_admitted) \
	STATISTIC(http_denied) \
	STATISTIC(http_banned) \
	STATISTIC(http_bad_nonces) \
	STATISTIC(http_failures) \
	STATISTIC(http_overloads)

#endif
