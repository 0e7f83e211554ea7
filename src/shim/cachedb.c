/*
 * CacheDB engines: counters only, since get returns memory from the core's allocator.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

#include <stdlib.h>

struct aw_cachedb {
	osips_cachedb_funcs functions;
};

aw_cachedb *aw_cachedb_bind(aw_str url)
{
	osips_str in = osips_of(url);
	aw_cachedb *cdb = calloc(1, sizeof *cdb);

	if (!cdb)
		return NULL;
	if (cachedb_bind_mod(&in, &cdb->functions) < 0 || !cdb->functions.init
			|| !cdb->functions.set || !cdb->functions.add || !cdb->functions.get_counter) {
		free(cdb);
		return NULL;
	}
	return cdb;
}

void *aw_cachedb_open(aw_cachedb *cdb, aw_str url)
{
	osips_str in = osips_of(url);

	return cdb->functions.init(&in);
}

void aw_cachedb_close(aw_cachedb *cdb, void *con)
{
	if (con && cdb->functions.destroy)
		cdb->functions.destroy(con);
}

int aw_cachedb_set(aw_cachedb *cdb, void *con, aw_str key, aw_str value, int expires)
{
	osips_str k = osips_of(key), v = osips_of(value);

	return cdb->functions.set(con, &k, &v, expires);
}

int aw_cachedb_add(aw_cachedb *cdb, void *con, aw_str key, int n, int expires, int *new_value)
{
	osips_str k = osips_of(key);

	return cdb->functions.add(con, &k, n, expires, new_value);
}

int aw_cachedb_counter(aw_cachedb *cdb, void *con, aw_str key, int *value)
{
	osips_str k = osips_of(key);
	int code;

	*value = 0;
	code = cdb->functions.get_counter(con, &k, value);
	if (code == -2) /* not found */
		return 0;
	return code < 0 ? -1 : 1;
}
