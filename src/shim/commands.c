/*
 * The exported script functions: they convert arguments and hand over to Rust.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shim.h"

static int jwt_authorize(struct sip_msg *msg, void *token, void *decoded, void *username,
	void *reason, void *p5, void *p6, void *p7, void *p8)
{
	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_jwt_authorize(msg, aw_of(token), decoded, username, reason, NULL);
}

static int async_jwt_authorize(struct sip_msg *msg, void *ctx, void *token, void *decoded,
	void *username, void *reason, void *p5, void *p6, void *p7, void *p8)
{
	aw_async async = aw_async_of(ctx, __builtin_return_address(0));
	int code = aw_rs_jwt_authorize(msg, aw_of(token), decoded, username, reason, &async);

	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_async_begun(ctx, &async, code);
}

static int jwt_script_authorize(struct sip_msg *msg, void *token, void *key, void *decoded,
	void *reason, void *p5, void *p6, void *p7, void *p8)
{
	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_jwt_script_authorize(msg, aw_of(token), aw_of(key), decoded, reason);
}

static int pub_key_from_cert(struct sip_msg *msg, void *certificate, void *key, void *p3, void *p4,
	void *p5, void *p6, void *p7, void *p8)
{
	(void)p3, (void)p4, (void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_extract_pub_key_from_cert(msg, aw_of(certificate), key);
}

static int pub_key_from_exp_mod(struct sip_msg *msg, void *e, void *n, void *key, void *p4,
	void *p5, void *p6, void *p7, void *p8)
{
	(void)p4, (void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_extract_pub_key_from_exp_mod(msg, aw_of(e), aw_of(n), key);
}

static int jwt_sign(struct sip_msg *msg, void *claims, void *key, void *algorithm, void *token,
	void *header, void *p6, void *p7, void *p8)
{
	(void)p6, (void)p7, (void)p8;
	return aw_rs_jwt_sign(msg, aw_of(claims), aw_of(key), aw_of(algorithm), token,
		aw_of(header));
}

static int http_authorize(struct sip_msg *msg, void *url, void *grant, void *expires,
	void *message, void *p5, void *p6, void *p7, void *p8)
{
	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_http_authorize(msg, aw_of(url), grant, expires, message, NULL);
}

static int async_http_authorize(struct sip_msg *msg, void *ctx, void *url, void *grant,
	void *expires, void *message, void *p5, void *p6, void *p7, void *p8)
{
	aw_async async = aw_async_of(ctx, __builtin_return_address(0));
	int code = aw_rs_http_authorize(msg, aw_of(url), grant, expires, message, &async);

	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_async_begun(ctx, &async, code);
}

static int check_headers(struct sip_msg *msg, void *reason, void *p2, void *p3, void *p4, void *p5,
	void *p6, void *p7, void *p8)
{
	(void)p2, (void)p3, (void)p4, (void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_check_headers(msg, reason);
}

static int digest_challenge(struct sip_msg *msg, void *header, void *realm, void *algorithms,
	void *stale, void *p5, void *p6, void *p7, void *p8)
{
	(void)p5, (void)p6, (void)p7, (void)p8;
	return aw_rs_digest_challenge(msg, header, aw_of(realm), aw_of(algorithms),
		stale ? *(const int *)stale : 0);
}

static int jwt_challenge(struct sip_msg *msg, void *header, void *realm, void *authz_server,
	void *scope, void *error, void *p6, void *p7, void *p8)
{
	(void)p6, (void)p7, (void)p8;
	return aw_rs_jwt_challenge(msg, header, aw_of(realm), aw_of(authz_server), aw_of(scope),
		aw_of(error));
}

static int credentials_get(struct sip_msg *msg, void *server, void *realm, void *user,
	void *username, void *password, void *p6, void *p7, void *p8)
{
	(void)p6, (void)p7, (void)p8;
	return aw_rs_credentials_get(msg, aw_of(server), aw_of(realm), aw_of(user), username,
		password);
}

/* An output may be any pseudo-variable that can be written. */
static int check_output(void **param)
{
	static const char text[] = "an output parameter must be a variable that can be written, "
		"such as $var(name) or $avp(name)";
	const osips_pv_spec *spec = *param;

	if (spec && spec->setf)
		return 0;
	aw_log(AW_ERR, "check_output", (aw_str){ text, sizeof text - 1 });
	return -1;
}

#define IN { OSIPS_CMD_PARAM_STR, NULL, NULL }
#define IN_OPTIONAL { OSIPS_CMD_PARAM_STR | OSIPS_CMD_PARAM_OPT, NULL, NULL }
#define NUMBER_OPTIONAL { OSIPS_CMD_PARAM_INT | OSIPS_CMD_PARAM_OPT, NULL, NULL }
#define OUT { OSIPS_CMD_PARAM_VAR, check_output, NULL }
#define OUT_OPTIONAL { OSIPS_CMD_PARAM_VAR | OSIPS_CMD_PARAM_OPT, check_output, NULL }

const struct osips_cmd_export aw_commands[] = {
	{ "jwt_authorize", jwt_authorize, { IN, OUT, OUT, OUT_OPTIONAL }, OSIPS_ALL_ROUTES },
	{ "jwt_db_authorize", jwt_authorize, { IN, OUT, OUT, OUT_OPTIONAL }, OSIPS_ALL_ROUTES },
	{ "jwt_script_authorize", jwt_script_authorize, { IN, IN, OUT, OUT_OPTIONAL },
		OSIPS_ALL_ROUTES },
	{ "extract_pub_key_from_cert", pub_key_from_cert, { IN, OUT }, OSIPS_ALL_ROUTES },
	{ "extract_pub_key_from_exp_mod", pub_key_from_exp_mod, { IN, IN, OUT }, OSIPS_ALL_ROUTES },
	{ "jwt_sign", jwt_sign, { IN, IN, IN, OUT, IN_OPTIONAL }, OSIPS_ALL_ROUTES },
	{ "http_authorize", http_authorize, { IN, OUT, OUT_OPTIONAL, OUT_OPTIONAL },
		OSIPS_ALL_ROUTES },
	{ "check_headers", check_headers, { OUT_OPTIONAL }, OSIPS_ALL_ROUTES },
	{ "digest_challenge", digest_challenge, { OUT, IN, IN_OPTIONAL, NUMBER_OPTIONAL },
		OSIPS_ALL_ROUTES },
	{ "jwt_challenge", jwt_challenge, { OUT, IN, IN_OPTIONAL, IN_OPTIONAL, IN_OPTIONAL },
		OSIPS_ALL_ROUTES },
	{ "credentials_get", credentials_get, { IN, IN, IN, OUT, OUT }, OSIPS_ALL_ROUTES },
	{ NULL, NULL, { { 0, NULL, NULL } }, 0 },
};

const struct osips_acmd_export aw_async_commands[] = {
	{ "jwt_authorize", async_jwt_authorize, { IN, OUT, OUT, OUT_OPTIONAL } },
	{ "jwt_db_authorize", async_jwt_authorize, { IN, OUT, OUT, OUT_OPTIONAL } },
	{ "http_authorize", async_http_authorize, { IN, OUT, OUT_OPTIONAL, OUT_OPTIONAL } },
	{ NULL, NULL, { { 0, NULL, NULL } } },
};
