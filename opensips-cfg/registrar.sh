#!/bin/sh
# Fills settings from the environment into registrar.cfg: opensips -f registrar.cfg -p
# /etc/opensips/registrar.sh
#
# OpenSIPS passes its script through this program (its option -p). ${NAME} becomes the value of
# NAME; a line that begins with #[NAME] is enabled if NAME has a value, one that begins with
# #[!NAME] if it has none. The defaults for settings missing from the environment are here: this is
# the only list of all settings.
set -eu

line_end='
'

# An error stops OpenSIPS: what it gets instead is not a valid script. Its own is read to the end nevertheless:
# OpenSIPS would be killed while it still writes (SIGPIPE), and not say that it was refused.
fail() {
	[ -t 0 ] || cat >/dev/null
	name=${1%% *}
	case "$name" in
	'' | *[!A-Z_]*) origin= ;;
	*) eval "origin=\${origin_$name:-}" ;;
	esac
	echo "registrar.sh: $1${origin:+ ($origin)}" >&2
	echo "registrar.sh refused the environment, see above"
	exit 1
}

# What it can't be sure of, or what its user may miss, does not stop it.
hint() {
	echo "registrar.sh: $1" >&2
}

# escaped: its input, with each byte escaped that isn't allowed everywhere in a URL.
# escaped database: the same for a driver of OpenSIPS, which knows only escapes of printable ASCII:
# bytes above are left as they are, existing escapes are kept. Fails at control characters.
escaped() {
	od -An -v -tx1 | LC_ALL=C awk -v database="${1:-}" '
	BEGIN {
		for (at = 1; at < 256; at++) character[sprintf("%02x", at)] = sprintf("%c", at)
		hex = "^[0-9A-Fa-f]$"
	}
	{ for (at = 1; at <= NF; at++) bytes[++count] = $at }
	END {
		for (at = 1; at <= count; at++) {
			byte = bytes[at]
			if (database && byte == "25" && character[bytes[at + 1]] ~ hex && character[bytes[at + 2]] ~ hex) {
				byte = tolower(character[bytes[at + 1]] character[bytes[at + 2]])
				at += 2
			}
			if (database && byte ~ /^([01].|7f)$/) exit 1
			if (byte ~ /^[89a-f]/ ? database : character[byte] ~ /^[A-Za-z0-9._~-]$/) {
				printf "%s", character[byte]
			} else {
				printf "%s", "%" byte
			}
		}
	}'
}

# is_within ADDRESS NETWORKS: whether an address of IPv4 is in one of these, as in 10.0.0.0/8, separated by commas.
is_within() {
	printf '%s\n' "$1" | awk -v networks="$2" '
	function number(text,   parts, at, sum) {
		if (split(text, parts, ".") != 4) return -1
		for (at = 1; at <= 4; at++) {
			if (parts[at] !~ /^[0-9]+$/ || parts[at] > 255) return -1
			sum = sum * 256 + parts[at]
		}
		return sum
	}
	{
		address = number($0)
		count = split(networks, all, ",")
		for (at = 1; at <= count; at++) {
			gsub(/[ \t]/, "", all[at])
			if (split(all[at], parts, "/") == 1) parts[2] = 32
			first = number(parts[1])
			if (address < 0 || first < 0 || parts[2] !~ /^[0-9]+$/ || parts[2] > 32) continue
			size = 2 ^ (32 - parts[2])
			if (int(address / size) == int(first / size)) found = 1
		}
	}
	END { exit !found }'
}

# Settings of jambonz's sbc-sip-sidecar, under its own names: the environment of a machine on which that ran is taken
# as it is. Where a setting of ours is given as well, it wins. docs/from-sidecar.md has the whole list.

# Settings of sidecar that ours overrule, and those that mean nothing here.
overruled=
meaningless=

# set_by NAME THEIRS VALUE: our setting, by theirs, unless it is given.
set_by() {
	eval "given=\${$1:-}"
	if [ -z "$given" ]; then
		eval "$1=\$3 origin_$1=\$2"
	elif [ "$given" != "$3" ]; then
		overruled="$overruled $2 ($1)"
	fi
}

# take NAME THEIRS: our setting is theirs.
take() {
	eval "theirs=\${$2:-}"
	[ -z "$theirs" ] || set_by "$1" "$2" "$theirs"
}

# take_number NAME THEIRS: the same, where 0 is as good as none.
take_number() {
	eval "theirs=\${$2:-}"
	case "$theirs" in
	'' | *[!0]*) take "$1" "$2" ;;
	esac
}

# take_if NAME THEIRS VALUE: our setting has this value if theirs is given.
take_if() {
	eval "theirs=\${$2:-}"
	[ -z "$theirs" ] || set_by "$1" "$2" "$3"
}

# take_table NAME TABLE: our setting is this table, if the database is jambonz's own. None if it is given as nothing.
take_table() {
	[ -z "$jambonz_database" ] || eval ": \"\${$1=$2}\""
}

# The database. Whoever may write has all of it: it can be read there as well.
jambonz_database=
if [ -n "${JAMBONES_MYSQL_WRITE_HOST:-}" ] && [ -n "${JAMBONES_MYSQL_WRITE_USER:-}" ] &&
	[ -n "${JAMBONES_MYSQL_WRITE_PASSWORD:-}" ] && [ -n "${JAMBONES_MYSQL_WRITE_DATABASE:-}" ]; then
	jambonz_database=JAMBONES_MYSQL_WRITE
elif [ -n "${JAMBONES_MYSQL_HOST:-}" ]; then
	jambonz_database=JAMBONES_MYSQL
fi
if [ -n "$jambonz_database" ] && [ -z "${DB_URL:-}" ]; then
	url=mysql://
	for part in USER PASSWORD HOST PORT DATABASE; do
		eval "value=\${${jambonz_database}_$part:-}"
		case "$part:$value" in
		PORT:) url="$url:3306" ;;
		*:) fail "${jambonz_database}_HOST needs ${jambonz_database}_$part" ;;
		USER:*) url="$url$(printf %s "$value" | escaped)" ;;
		PASSWORD:*) url="$url:$(printf %s "$value" | escaped)@" ;;
		HOST:*:*) url="$url[$value]" ;;
		HOST:*) url="$url$value" ;;
		PORT:*) url="$url:$value" ;;
		DATABASE:*) url="$url/$value" ;;
		esac
	done
	# It checks the certificate unless it is told not to; that can't be done here for all connections.
	if [ "${JAMBONES_MYSQL_REJECT_UNAUTHORIZED:-}" = 0 ]; then
		url="$url?ssl-mode=REQUIRED"
	elif [ -n "${JAMBONES_MYSQL_REJECT_UNAUTHORIZED:-}" ] || { [ -n "${JAMBONES_MYSQL_SSL_CA_FILE:-}" ] &&
		[ -n "${JAMBONES_MYSQL_SSL_CERT_FILE:-}" ] && [ -n "${JAMBONES_MYSQL_SSL_KEY_FILE:-}" ]; }; then
		fail "JAMBONES_MYSQL_REJECT_UNAUTHORIZED must be 0, or DB_URL be given: OpenSIPS's own driver can't check certificates"
	fi
	set_by DB_URL "${jambonz_database}_HOST" "$url"
elif [ -n "$jambonz_database" ]; then
	overruled="$overruled ${jambonz_database}_HOST (DB_URL)"
	jambonz_database=
fi
take ACCOUNT_TTL JAMBONES_MYSQL_REFRESH_TTL

# Redis.
redis_scheme=redis
redis_files=
if [ -n "${ENABLE_JAMBONES_REDIS_TLS:-}" ]; then
	redis_scheme=rediss
	for part in ca:CA cert:CERT key:KEY; do
		eval "value=\${JAMBONES_REDIS_TLS_${part#*:}_FILE:-}"
		[ -z "$value" ] || redis_files="$redis_files&tls_${part%:*}=$(printf %s "$value" | escaped)"
	done
fi
# redis_login USER PASSWORD
redis_login() {
	[ -z "$2" ] || printf '%s:%s@' "$(printf %s "$1" | escaped)" "$(printf %s "$2" | escaped)"
}
if [ -n "${JAMBONES_REDIS_SENTINELS:-}" ] && [ -z "${REDIS_HOST:-}" ]; then
	[ -n "${JAMBONES_REDIS_SENTINEL_MASTER_NAME:-}" ] ||
		fail "JAMBONES_REDIS_SENTINELS needs JAMBONES_REDIS_SENTINEL_MASTER_NAME"
	query=$redis_files
	if [ -n "${JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD:-}" ]; then
		query="$query&sentinel_password=$(printf %s "$JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD" | escaped)"
	fi
	login=$(redis_login "${JAMBONES_REDIS_SENTINEL_USERNAME:-}" "${JAMBONES_REDIS_SENTINEL_PASSWORD:-}")
	set_by REDIS_URL JAMBONES_REDIS_SENTINELS "$redis_scheme+sentinel://$login$(
		printf %s "$JAMBONES_REDIS_SENTINELS" | tr -d ' '
	)/$(printf %s "$JAMBONES_REDIS_SENTINEL_MASTER_NAME" | escaped)${query:+?${query#&}}"
elif [ $redis_scheme = rediss ] && [ -n "${JAMBONES_REDIS_HOST:-}" ] && [ -z "${REDIS_HOST:-}" ]; then
	case "$JAMBONES_REDIS_HOST" in
	*:*) host="[$JAMBONES_REDIS_HOST]" ;;
	*) host=$JAMBONES_REDIS_HOST ;;
	esac
	login=$(redis_login "${JAMBONES_REDIS_USERNAME:-}" "${JAMBONES_REDIS_PASSWORD:-}")
	set_by REDIS_URL ENABLE_JAMBONES_REDIS_TLS \
		"rediss://$login$host:${JAMBONES_REDIS_PORT:-6379}/0${redis_files:+?${redis_files#&}}"
else
	take REDIS_HOST JAMBONES_REDIS_HOST
	take REDIS_PORT JAMBONES_REDIS_PORT
	take REDIS_USERNAME JAMBONES_REDIS_USERNAME
	take REDIS_PASSWORD JAMBONES_REDIS_PASSWORD
fi

# Secrets. Nonces are to be recognized by one that is as long as ours, and not by jambonz's own.
jambonz_secret=${ENCRYPTION_SECRET:-${JWT_SECRET:-}}
if [ -n "$jambonz_secret" ]; then
	if [ -z "${REGISTRAR_SECRET:-}" ]; then
		REGISTRAR_SECRET=$(printf 'auth_web nonces:%s' "$jambonz_secret" | sha256sum | cut -d ' ' -f 1)
	fi
	take CLIENTS_SECRET ENCRYPTION_SECRET
	[ -n "${ENCRYPTION_SECRET:-}" ] || take CLIENTS_SECRET JWT_SECRET
	take_if CLIENTS_CIPHER LEGACY_CRYPTO aes-256-ctr
	take_table CLIENTS_TABLE registrar_clients
fi

# Limits of accounts are for jambonz's hosted platform alone.
if [ -n "$jambonz_database" ]; then
	case "${JAMBONES_HOSTING:-}" in
	'') set_by DEVICE_LIMITS JAMBONES_HOSTING no ;;
	*) set_by DEVICE_LIMITS JAMBONES_HOSTING yes ;;
	esac
fi
# The levels of its log, and those of OpenSIPS's.
case "${JAMBONES_LOGLEVEL:-}" in
'') ;;
trace | debug) set_by LOG_LEVEL JAMBONES_LOGLEVEL 4 ;;
info) set_by LOG_LEVEL JAMBONES_LOGLEVEL 3 ;;
warn) set_by LOG_LEVEL JAMBONES_LOGLEVEL 1 ;;
error | fatal | silent) set_by LOG_LEVEL JAMBONES_LOGLEVEL 0 ;;
*) fail "JAMBONES_LOGLEVEL must be trace, debug, info, warn, error, fatal or silent, not '$JAMBONES_LOGLEVEL'" ;;
esac
take HTTP_USER_AGENT JAMBONES_HTTP_USER_AGENT_HEADER
take_number REGISTRANT_DEFAULT_EXPIRES JAMBONES_REGBOT_DEFAULT_EXPIRES_INTERVAL
take_number REGISTRANT_MIN_EXPIRES JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL

# Servers of the site, and our own addresses.
[ -z "$jambonz_database" ] || : "${JAMBONES_NETWORK_CIDR:=192.168.0.0/24,172.16.0.0/16,10.0.0.0/8}"
take SITE_NETWORKS JAMBONES_NETWORK_CIDR
take CLUSTER_ID JAMBONES_CLUSTER_ID
take CHECKIN_EXPIRES EXPIRES_INTERVAL
take CHECKIN_INTERVAL CHECK_EXPIRES_INTERVAL
take_table SBC_ADDRESSES_TABLE sbc_addresses
take SBC_ADDRESSES_INTERVAL SBC_PUBLIC_ADDRESS_KEEP_ALIVE_IN_MILISECOND
take SBC_ADDRESSES_EXPIRE DEAD_SBC_IN_SECOND

# Registrations at jambonz's carriers, and OPTIONS to their gateways.
take_table CARRIERS_TABLE voip_carriers
take_number TRUNK_RETRY JAMBONES_REGBOT_FAILURE_RETRY_INTERVAL
take TRUNK_REMOVE_CODES REGISTER_RESPONSE_REMOVE
take_number TRUNK_REMOVE_AFTER JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD
take_if TRUNK_BY_ADDRESS JAMBONES_REGBOT_CONTACT_USE_IP yes
take TRUNK_USER_AGENT JAMBONES_REGBOT_USER_AGENT
take_number PING_INTERVAL SEND_OPTIONS_PING_INTERVAL
take_number PING_TTL OPTIONS_PING_TTL
take PING_REMOVE_CODES OPTIONS_RESPONSE_REMOVE

# Alerts in InfluxDB, and metrics: STATS_PREFIX and STATS_TAGS have the same names here.
case "${JAMBONES_TIME_SERIES_HOST:-}" in
'') ;;
*:*:*) set_by TIME_SERIES_URL JAMBONES_TIME_SERIES_HOST "http://[$JAMBONES_TIME_SERIES_HOST]:8086" ;;
*) set_by TIME_SERIES_URL JAMBONES_TIME_SERIES_HOST "http://$JAMBONES_TIME_SERIES_HOST:8086" ;;
esac
[ "${ENABLE_METRICS:-}" != 1 ] || set_by STATS_SERVER ENABLE_METRICS \
	"${STATS_PROTOCOL:-udp}:${STATS_HOST:-127.0.0.1}:${STATS_PORT:-8125}"

# Where it listens is drachtio's affair: the first address of this machine in the site's networks, which is that of
# privateSbcAddress as well.
if [ -n "${JAMBONES_NETWORK_CIDR:-}" ] && [ -z "${SIP_ADDRESS:-}" ]; then
	for address in $(hostname -I 2>/dev/null); do
		if is_within "$address" "$JAMBONES_NETWORK_CIDR"; then
			SIP_ADDRESS=$address
			hint "SIP_ADDRESS is $address, of the networks $JAMBONES_NETWORK_CIDR"
			break
		fi
	done
	[ -n "${SIP_ADDRESS:-}" ] ||
		hint "this machine has no address in $JAMBONES_NETWORK_CIDR: it listens on 127.0.0.1 alone (SIP_ADDRESS)"
elif [ -n "${JAMBONES_NETWORK_CIDR:-}" ] && [ -z "${PRIVATE_ADDRESS:-}" ] &&
	! is_within "$SIP_ADDRESS" "$JAMBONES_NETWORK_CIDR"; then
	hint "SIP_ADDRESS is not in $JAMBONES_NETWORK_CIDR: jambonz's servers must reach $SIP_ADDRESS, or PRIVATE_ADDRESS"
fi

for name in DRACHTIO_HOST DRACHTIO_PORT DRACHTIO_SECRET JAMBONES_MYSQL_CONNECTION_LIMIT \
	JAMBONES_MYSQL_WRITE_CONNECTION_LIMIT JAMBONES_MYSQL_KEEP_ALIVE_INTERVAL_MS JAMBONES_REGBOT_BATCH_SIZE \
	JAMBONES_REGBOT_BATCH_SLEEP_MS JAMBONES_SBCS JAMBONES_FREESWITCH HTTP_POOL NODE_ENV SBC_SOCKET_PATH \
	STATS_CACHE_DNS STATS_TELEGRAF STATS_SAMPLE_RATE STATS_MAX_BUFFER_SIZE STATS_BUFFER_FLUSH_INTERVAL; do
	eval "given=\${$name:-}"
	[ -z "$given" ] || meaningless="$meaningless $name"
done
[ -z "$meaningless" ] || hint "of sidecar's settings these mean nothing here:$meaningless"
[ -z "$overruled" ] || hint "settings of sidecar that ours, in brackets, overrule:$overruled"

# OpenSIPS itself.
: "${OPENSIPS_MODULES:=/usr/lib/x86_64-linux-gnu/opensips/modules/}"
: "${LOG_LEVEL:=3}"
: "${LOG_TO_STDERR:=no}"
: "${UDP_WORKERS:=4}"
: "${TCP_WORKERS:=4}"
: "${AUTH_WEB:=auth_web.so}"
# Path of a socket for MI commands; none if empty.
: "${MI_SOCKET:=}"

# Where it listens. A transport with an empty port is disabled; TLS and WSS need certificate and
# key.
: "${SIP_ADDRESS:=127.0.0.1}"
case "$SIP_ADDRESS" in
\[*) ;;
*:*:*) SIP_ADDRESS="[$SIP_ADDRESS]" ;;
esac
: "${SIP_PORT:=5060}"
: "${TLS_PORT:=}"
: "${WS_PORT:=}"
: "${WSS_PORT:=}"
: "${TLS_CERTIFICATE:=}"
: "${TLS_PRIVATE_KEY:=}"
# The public address, if it differs: a host, without a port.
: "${ADVERTISED_ADDRESS:=}"
# The names by which devices know this machine as their outbound proxy (Route), separated by commas:
# without a port each port above counts, and none. ADVERTISED_ADDRESS is one of them.
: "${OWN_NAMES:=}"
# yes or no: whether WebSocket clients have to send Origin. Nothing depends on what it says.
: "${REQUIRE_ORIGIN:=no}"
# The address by which other servers of the site reach this one, if they should not use that: host or
# host:port, for jambonz's privateSbcAddress, without which its sbc-outbound fails.
: "${PRIVATE_ADDRESS:=$SIP_ADDRESS:$SIP_PORT}"

# Accounts, endpoints, contacts, trunks. In user and password a % before two hexadecimal digits begins the
# escape of a character (%25 is the percent sign itself); any other character may be as it is. For
# mysql://, ?ssl-mode=REQUIRED encrypts all connections.
: "${DB_URL:=mysql://opensips:opensipsrw@localhost/opensips}"

# Seconds for which the database is not queried again about an account, and for which its known data
# remains in use while the database fails.
: "${ACCOUNT_TTL:=10}"
: "${ACCOUNT_GRACE:=600}"

# Registrations, used nonces, and bans. One server is given by its parts; Sentinel, Cluster or TLS by a
# URL as the module takes it (its parameter cachedb_url), in place of the parts. User and password are
# taken as they are.
: "${REDIS_HOST:=127.0.0.1}"
: "${REDIS_PORT:=6379}"
: "${REDIS_USERNAME:=}"
: "${REDIS_PASSWORD:=}"
: "${REDIS_DATABASE:=0}"
: "${REDIS_URL:=}"
: "${REDIS_TIMEOUT:=500}" # milliseconds
# Seconds between looking for registrations that sidecar has made, which count for limits as well; 0: never. In a
# Redis Cluster they are not looked for.
case "${REDIS_URL:-}" in
*+cluster://*) : "${ADOPT_INTERVAL:=0}" ;;
*) : "${ADOPT_INTERVAL:=30}" ;;
esac

# A secret of at least 16 characters, the same on all machines of a site. There is no default but what is made of
# jambonz's own, above.
: "${REGISTRAR_SECRET:=}"

# Webhooks: the total time that one may take, in milliseconds, and the algorithms for challenges.
: "${HTTP_TIMEOUT:=3000}"
# Seconds for which an endpoint that failed repeatedly is not asked.
: "${HTTP_BREAKER_TIME:=1}"
: "${DIGEST_ALGORITHMS:=MD5}"

# The User-Agent of webhooks; the module's own if empty.
: "${HTTP_USER_AGENT:=}"

# yes or no: whether all SIP headers go into each POST to a webhook, and whether a realm without an account
# is looked up at the domain above it, both as in jambonz.
: "${HTTP_HEADERS:=yes}"
: "${PARENT_REALM:=yes}"
# yes or no: whether accounts have no more devices than their limit.
: "${DEVICE_LIMITS:=yes}"

# The table of jambonz's clients, by which devices of accounts without a webhook are admitted
# (schema/mysql/jambonz-clients-view.sql); none if empty. The secret is jambonz's ENCRYPTION_SECRET
# or, without one, its JWT_SECRET; the cipher is aes-256-ctr if its LEGACY_CRYPTO is set.
: "${CLIENTS_TABLE:=}"
: "${CLIENTS_SECRET:=}"
: "${CLIENTS_CIPHER:=aes-256-cbc}"

# Tokens: the allowed signature algorithms, and the tolerated clock difference in seconds.
: "${TOKEN_ALGORITHMS:=RS256, PS256, ES256, EdDSA, HS256}"
: "${TOKEN_LEEWAY:=5}"

# Seconds of a registration: if neither side gives any, the maximum, and for a device behind a NAT.
: "${DEFAULT_EXPIRES:=3600}"
: "${MAX_EXPIRES:=604800}"
: "${NAT_EXPIRES:=30}"
# Which devices that is: udp, every one that registers over UDP, as for sidecar, and others by the addresses that they
# name; or named, all by those addresses alone.
: "${NAT_DEVICES:=udp}"

# Where devices' calls are sent, host:port. What comes from there over UDP goes to the devices.
: "${NEXT_HOP:=127.0.0.1:5070}"

# Other sources whose INVITEs go to the devices, such as those that jambonz's sbc-outbound redirects
# here: hosts, separated by commas. With a port, only that one counts; without, any.
: "${TRUSTED_SOURCES:=}"

# Hosts above are names or addresses, those of IPv6 in brackets; names are resolved once, at start.

# The other registrars of the site that share Redis and database: IP address and port of each,
# separated by commas. Calls for their devices are sent there over UDP, and what comes from there
# over UDP goes to ours.
: "${PEERS:=}"

# Where calls are saved between shutdown and start: a table of its own for each of them.
: "${DIALOG_TABLE:=dialog}"

# jambonz's feature servers and servers of RTP: the networks (10.0.0.0/8) from which they may say by OPTIONS
# whether they take calls, separated by commas; nobody may if empty. What the names in Redis begin with.
# Milliseconds that one counts without saying so again, and between two looks at that.
: "${SITE_NETWORKS:=}"
: "${CLUSTER_ID:=default}"
: "${CHECKIN_EXPIRES:=60000}"
: "${CHECKIN_INTERVAL:=20000}"

# jambonz's table of the public addresses of its SBCs, in which ADVERTISED_ADDRESS or SIP_ADDRESS is noted; none
# if empty. Milliseconds between two notes, and seconds after which what nobody notes any more is taken out.
: "${SBC_ADDRESSES_TABLE:=}"
: "${SBC_ADDRESSES_INTERVAL:=900000}"
: "${SBC_ADDRESSES_EXPIRE:=3600}"

# Whether a device may call without credentials from the address where it registered over UDP as
# well: yes only if the network blocks forged source addresses.
: "${TRUST_UDP_SOURCE:=no}"

# Registrations at carriers: default seconds, minimum (with SQLite both are as in
# schema/sqlite/registrant.sql), and seconds between checks, at least 10.
: "${REGISTRANT_DEFAULT_EXPIRES:=3600}"
case "$REGISTRANT_DEFAULT_EXPIRES" in
[1-9] | [12][0-9]) : "${REGISTRANT_MIN_EXPIRES:=$REGISTRANT_DEFAULT_EXPIRES}" ;;
*) : "${REGISTRANT_MIN_EXPIRES:=30}" ;;
esac
: "${REGISTRANT_INTERVAL:=10}"

# Alerts for jambonz's portal: the URL of its InfluxDB, http://host:8086, with user:password@ in front of the
# host if it wants that; none are written if it is empty.
: "${TIME_SERIES_URL:=}"
# Metrics for its dashboards: the server of statsd, udp:host:port or tcp:host:port, and what is put in front of
# each name and added to each as tags; none are sent without a server.
: "${STATS_SERVER:=}"
: "${STATS_PREFIX:=}"
: "${STATS_TAGS:=}"
# jambonz's table of carriers, such as jambones.voip_carriers: those that require it are registered, with the two
# settings above; none if empty. Its other tables are in the same database, which DB_URL's user has to write to.
: "${CARRIERS_TABLE:=}"
# Seconds between two looks at the tables, after a failure, and that an answer may take; the codes of answers that switch a carrier off,
# separated by commas, and after how many of them.
: "${TRUNK_INTERVAL:=60}"
: "${TRUNK_RETRY:=300}"
: "${TRUNK_TIMEOUT:=32}"
: "${TRUNK_REMOVE_CODES:=}"
: "${TRUNK_REMOVE_AFTER:=3}"
# yes or no: whether each Contact has the public address, and not the account's realm.
: "${TRUNK_BY_ADDRESS:=no}"
# What our own requests say in User-Agent; OpenSIPS and its version if empty.
: "${TRUNK_USER_AGENT:=}"
# A file with the authorities that have signed the certificates of carriers; as in jambonz, these are not looked at if
# it is empty.
: "${TRUNK_TLS_CA:=}"
# OPTIONS to the gateways that want it: seconds between them, 0 for none, seconds for which one is avoided that does
# not answer with 200, and the codes after which one is not asked any more.
: "${PING_INTERVAL:=60}"
: "${PING_TTL:=300}"
: "${PING_REMOVE_CODES:=}"

# number NAME LOWEST HIGHEST
number() {
	eval "value=\$$1"
	case "$value" in
	# OpenSIPS takes what begins with a zero for octal.
	'' | *[!0-9]* | 0?*) ;;
	*)
		if [ "${#value}" -le 9 ] && [ "$value" -ge "$2" ] && [ "$value" -le "$3" ]; then
			return
		fi
		;;
	esac
	fail "$1 must be a number from $2 to $3, not '$value'"
}
number LOG_LEVEL 0 4
number UDP_WORKERS 1 1000
number TCP_WORKERS 1 1000
number SIP_PORT 1 65535
[ -z "$TLS_PORT" ] || number TLS_PORT 1 65535
[ -z "$WS_PORT" ] || number WS_PORT 1 65535
[ -z "$WSS_PORT" ] || number WSS_PORT 1 65535
number ACCOUNT_TTL 0 86400
number ACCOUNT_GRACE "$ACCOUNT_TTL" 604800
number REDIS_PORT 1 65535
number REDIS_DATABASE 0 1000000
number REDIS_TIMEOUT 10 60000
number ADOPT_INTERVAL 0 86400
number HTTP_TIMEOUT 1 60000
number HTTP_BREAKER_TIME 1 3600
number TOKEN_LEEWAY 0 86400
number NAT_EXPIRES 1 3600
number MAX_EXPIRES "$NAT_EXPIRES" 31536000
number DEFAULT_EXPIRES 1 "$MAX_EXPIRES"
number CHECKIN_EXPIRES 1000 86400000
number CHECKIN_INTERVAL 100 86400000
number SBC_ADDRESSES_INTERVAL 1000 86400000
number SBC_ADDRESSES_EXPIRE 1 31536000
number REGISTRANT_DEFAULT_EXPIRES 1 31536000
number REGISTRANT_MIN_EXPIRES 1 "$REGISTRANT_DEFAULT_EXPIRES"
number REGISTRANT_INTERVAL 10 3600
number TRUNK_INTERVAL 1 3600
number TRUNK_RETRY 1 86400
number TRUNK_TIMEOUT 1 300
number TRUNK_REMOVE_AFTER 1 1000
number PING_INTERVAL 0 86400
number PING_TTL 1 86400
case "$TRUST_UDP_SOURCE" in
yes | no) ;;
*) fail "TRUST_UDP_SOURCE must be yes or no, not '$TRUST_UDP_SOURCE'" ;;
esac
# host NAME: a name or an address, that of IPv6 in brackets.
host() {
	eval "value=\$$1"
	case "$value" in
	\[*[!0-9A-Fa-f:.]*\]) ;;
	\[*:*:*\]) return ;;
	*[!A-Za-z0-9._-]* | '') ;;
	*) return ;;
	esac
	fail "$1 must be a host without a port, an address of IPv6 in brackets, not '$value'"
}
host SIP_ADDRESS
[ -z "$ADVERTISED_ADDRESS" ] || host ADVERTISED_ADDRESS
case "$DIALOG_TABLE" in
'' | *[!A-Za-z0-9_]*) fail "DIALOG_TABLE must be the name of a table" ;;
esac
yes_or_no() {
	eval "value=\$$1"
	case "$value" in
	yes | no) ;;
	*) fail "$1 must be yes or no, not '$value'" ;;
	esac
}
yes_or_no HTTP_HEADERS
yes_or_no PARENT_REALM
yes_or_no REQUIRE_ORIGIN
yes_or_no DEVICE_LIMITS
case "$NAT_DEVICES" in
udp) SHORT_UDP=1 ;;
named) SHORT_UDP= ;;
*) fail "NAT_DEVICES must be udp or named, not '$NAT_DEVICES'" ;;
esac
yes_or_no TRUNK_BY_ADDRESS

# addresses HOST: its IP addresses, each on a line, written as OpenSIPS writes source addresses (IPv6 in
# full); nothing if it has none, or is not a host.
addresses() {
	case "$1" in
	*[!0-9A-Za-z.:_-]* | '') return ;;
	*:*) printf '%s\n' "$1" ;;
	*[!0-9.]*) getent ahosts "$1" | cut -d ' ' -f 1 ;;
	*) printf '%s\n' "$1" ;;
	esac | awk '
	function number(text, digits, base, most,   at, sum) {
		text = tolower(text)
		for (at = 1; at <= length(text); at++) {
			digit = index(digits, substr(text, at, 1))
			if (digit == 0 || at > 4) return -1
			sum = sum * base + digit - 1
		}
		return text == "" || sum > most ? -1 : sum + 0
	}
	function v4(text,   parts, at, value) {
		if (split(text, parts, ".") != 4) return ""
		for (at = 1; at <= 4; at++) {
			value = number(parts[at], "0123456789", 10, 255)
			if (value < 0) return ""
			bytes[at] = value
		}
		return bytes[1] "." bytes[2] "." bytes[3] "." bytes[4]
	}
	# The groups of one side of "::", added to all; -1 if one is invalid.
	function groups(text, all,   parts, count, at, value) {
		count = text == "" ? 0 : split(text, parts, ":")
		for (at = 1; at <= count; at++) {
			value = number(parts[at], "0123456789abcdef", 16, 65535)
			if (value < 0) return -1
			all[at] = sprintf("%x", value)
		}
		return count
	}
	function v6(text,   last, halves, sides, before, after, count, rest, at, out) {
		last = text
		sub(/.*:/, "", last)
		if (last ~ /\./) {
			if (v4(last) == "") return ""
			text = substr(text, 1, length(text) - length(last))
			text = text sprintf("%x:%x", bytes[1] * 256 + bytes[2], bytes[3] * 256 + bytes[4])
		}
		sides = split(text, halves, "::")
		if (sides > 2) return ""
		count = groups(halves[1], before)
		rest = sides == 2 ? groups(halves[2], after) : 0
		if (count < 0 || rest < 0 || (sides == 2 ? count + rest > 7 : count != 8)) return ""
		for (at = 1; at <= 8; at++) {
			out = out (at > 1 ? ":" : "")
			out = out (at <= count ? before[at] : at > 8 - rest ? after[at - 8 + rest] : "0")
		}
		return out
	}
	{ address = /:/ ? v6($0) : v4($0) }
	address != "" && !(address in seen) { seen[address] = 1; print address }'
}

# trimmed TEXT: without the blanks around it.
trimmed() {
	printf %s "$1" | sed 's/^[[:blank:]]*//; s/[[:blank:]]*$//'
}

# sources NAME PORT: the setting of that name, hosts separated by commas, as a list of address:port
# in $sources; PORT is what an entry without a port gets, empty if each needs one.
sources() {
	eval "left=\$$1"
	[ -z "$left" ] || left="$left,"
	sources=
	while [ -n "$left" ]; do
		entry=${left%%,*}
		left=${left#*,}
		entry=$(trimmed "$entry")
		port=$2
		case "$entry" in
		\[*\]) host=${entry#\[} host=${host%\]} ;;
		\[*\]:*) host=${entry#\[} host=${host%\]:*} port=${entry##*\]:} ;;
		\[*) host= ;;
		*:*:*) host=$entry ;;
		*:*) host=${entry%:*} port=${entry##*:} ;;
		*) host=$entry ;;
		esac
		case "$port" in
		'*') ;;
		'' | *[!0-9]*) fail "$1 must be hosts with a port each, not '$entry'" ;;
		*)
			[ "${#port}" -le 5 ] && [ "$port" -ge 1 ] && [ "$port" -le 65535 ] ||
				fail "$1 must have ports from 1 to 65535, not '$entry'"
			;;
		esac
		found=$(addresses "$host")
		[ -n "$found" ] || fail "$1 must be IP addresses, or names that have some, not '$entry'"
		for address in $found; do
			case "$address" in
			*:*) address="[$address]" ;;
			esac
			sources="$sources${sources:+,}$address:$port"
		done
	done
}
sources NEXT_HOP ''
NEXT_HOP_SOURCES=$sources
NEXT_HOP_ADDRESS=${sources%%,*}
case "$NEXT_HOP" in
*,*) fail "NEXT_HOP must be one host with a port, not '$NEXT_HOP'" ;;
esac
sources TRUSTED_SOURCES '*'
TRUSTED=$sources
sources PEERS ''
PEERS=$sources
# Each name with each port by which it is ours, 0 for none.
left=$OWN_NAMES
case "$ADVERTISED_ADDRESS" in
\[*) ;;
?*) left="$left${left:+,}$ADVERTISED_ADDRESS" ;;
esac
[ -z "$left" ] || left="$left,"
OWN_NAMES=
while [ -n "$left" ]; do
	entry=$(trimmed "${left%%,*}")
	left=${left#*,}
	host=${entry%%:*}
	case "$host" in
	'' | *[!A-Za-z0-9._-]*) fail "OWN_NAMES must be names, each with or without a port, not '$entry'" ;;
	esac
	case "$entry" in
	*:*)
		port=${entry#*:}
		case "$port" in
		'' | 0* | *[!0-9]* | ??????*) fail "OWN_NAMES must have ports from 1 to 65535, not '$entry'" ;;
		esac
		[ "$port" -le 65535 ] || fail "OWN_NAMES must have ports from 1 to 65535, not '$entry'"
		ports=$port
		;;
	*) ports="0 $SIP_PORT $TLS_PORT $WS_PORT $WSS_PORT" ;;
	esac
	for port in $ports; do
		OWN_NAMES="$OWN_NAMES${OWN_NAMES:+,}$host:$port"
	done
done
case "$LOG_TO_STDERR" in
yes | no) ;;
*) fail "LOG_TO_STDERR must be yes or no, not '$LOG_TO_STDERR'" ;;
esac
[ -f "$OPENSIPS_MODULES/tm.so" ] ||
	hint "OPENSIPS_MODULES must be the folder of OpenSIPS's modules: there is no tm.so in '$OPENSIPS_MODULES'"
case "$AUTH_WEB" in
/*) module=$AUTH_WEB ;;
*) module=$OPENSIPS_MODULES/$AUTH_WEB ;;
esac
[ -f "$module" ] || hint "AUTH_WEB must be the module, in OPENSIPS_MODULES or by its path: there is no '$module'"
[ "$LOG_TO_STDERR" = yes ] || [ ! -t 2 ] ||
	hint "OpenSIPS logs to syslog, also why it does not start; LOG_TO_STDERR=yes has it here"
[ "${#REGISTRAR_SECRET}" -ge 16 ] || fail "REGISTRAR_SECRET must have at least 16 characters"
if [ -n "$TLS_PORT$WSS_PORT" ] && { [ -z "$TLS_CERTIFICATE" ] || [ -z "$TLS_PRIVATE_KEY" ]; }; then
	fail "TLS_PORT and WSS_PORT need TLS_CERTIFICATE and TLS_PRIVATE_KEY"
fi

# Values derived from the settings.

OPENSIPS_DB_URL=$DB_URL
DB_TLS=
case "$DB_URL" in
mysql://*)
	# A password ends at the last @ that a host and a database follow.
	rest=${DB_URL#mysql://}
	login= place=$rest
	tail=$rest
	is_place() {
		printf '%s\n' "$1" | LC_ALL=C grep -Eqx \
			'(unix\([^()]+\)|\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]+)?/[A-Za-z0-9_.%-]+(\?[^?@]*)?'
	}
	case "$rest" in
	*@*)
		place=
		after=
		while [ "${tail%@*}" != "$tail" ]; do
			after="${tail##*@}${after:+@$after}"
			tail=${tail%@*}
			if is_place "$after"; then
				login=$tail place=$after
				break
			fi
		done
		;;
	esac
	case "$place" in
	*"$line_end"*) place= ;;
	esac
	[ -n "$place" ] && is_place "$place" ||
		fail "DB_URL must be mysql://user:password@host:port/database, a host of IPv6 in brackets"
	if [ -n "$login" ]; then
		password=
		case "$login" in
		*:*) password=${login#*:} ;;
		esac
		user=$(printf %s "${login%%:*}" | escaped database) &&
			password=$(printf %s "$password" | escaped database) ||
			fail "DB_URL has a control character in user or password, such as a line end: OpenSIPS's own driver can't send it"
		login="$user${password:+:$password}@"
	fi
	query=
	case "$place" in
	*\?*) query=${place#*\?} place=${place%%\?*} ;;
	esac
	DB_URL="mysql://$login$place"
	OPENSIPS_DB_URL=$DB_URL
	# OpenSIPS reads trunks and calls with its own driver. It can encrypt, but not check certificates.
	case "$(printf %s "$query" | tr _A-Z -a-z)" in
	'' | ssl-mode=disabled) ;;
	ssl-mode=required)
		DB_TLS=1
		DB_URL="$DB_URL?ssl-mode=REQUIRED"
		OPENSIPS_DB_URL="$OPENSIPS_DB_URL?tls_domain=database&tls_opts=CIPHERS"
		grep -q libmariadb "$OPENSIPS_MODULES/db_mysql.so" 2>/dev/null ||
			fail "DB_URL has ssl-mode=REQUIRED, but db_mysql.so in OPENSIPS_MODULES is none with libmariadb: only that encrypts for sure"
		[ -f "$OPENSIPS_MODULES/tls_mgm.so" ] && [ -f "$OPENSIPS_MODULES/tls_openssl.so" ] ||
			fail "DB_URL has ssl-mode=REQUIRED, which needs tls_mgm.so and tls_openssl.so in OPENSIPS_MODULES"
		;;
	*)
		fail "DB_URL may have one parameter, ssl-mode=REQUIRED or DISABLED: OpenSIPS's own driver can't check certificates"
		;;
	esac
	DB_MODULE=db_mysql.so
	REALMS_TABLE=registrar_realms
	# A column name may be any expression.
	REGISTRANT_EXPIRY="CAST(CASE WHEN COALESCE(expiry, 0) = 0 THEN $REGISTRANT_DEFAULT_EXPIRES"
	REGISTRANT_EXPIRY="$REGISTRANT_EXPIRY ELSE GREATEST(expiry, $REGISTRANT_MIN_EXPIRES) END AS SIGNED)"
	;;
sqlite://*[\"\\"$line_end"]*) fail "DB_URL has a quote, a backslash or a line end in it" ;;
sqlite://*)
	DB_MODULE=db_sqlite.so
	REALMS_TABLE=registrar_directory
	REGISTRANT_EXPIRY=expiry
	;;
*) fail "DB_URL must begin with mysql:// or sqlite://" ;;
esac
if [ -z "$REDIS_URL" ]; then
	REDIS_LOGIN=
	[ -z "$REDIS_PASSWORD" ] || REDIS_LOGIN=$(redis_login "$REDIS_USERNAME" "$REDIS_PASSWORD")
	case "$REDIS_HOST" in
	*:*) REDIS_HOST="[$REDIS_HOST]" ;;
	esac
	REDIS_URL="redis://$REDIS_LOGIN$REDIS_HOST:$REDIS_PORT/$REDIS_DATABASE"
fi
TLS=$TLS_PORT$WSS_PORT
ANY_TLS=$TLS$DB_TLS
DB_CERTIFICATE=
[ -z "$DB_TLS" ] || [ -z "$TLS_PRIVATE_KEY" ] || DB_CERTIFICATE=$TLS_CERTIFICATE
case "$CLIENTS_TABLE" in
*[!A-Za-z0-9_.]*) fail "CLIENTS_TABLE must be the name of a table" ;;
esac
[ -z "$CLIENTS_TABLE" ] || [ -n "$CLIENTS_SECRET" ] || fail "CLIENTS_TABLE needs CLIENTS_SECRET"
[ -z "$CLIENTS_TABLE" ] || [ "$DB_MODULE" = db_mysql.so ] || fail "CLIENTS_TABLE needs a DB_URL of mysql://"
case "$SBC_ADDRESSES_TABLE" in
*[!A-Za-z0-9_.]*) fail "SBC_ADDRESSES_TABLE must be the name of a table" ;;
esac
SBC_ADDRESSES=
if [ -n "$SBC_ADDRESSES_TABLE" ]; then
	[ "$DB_MODULE" = db_mysql.so ] || fail "SBC_ADDRESSES_TABLE needs a DB_URL of mysql://"
	own=${ADVERTISED_ADDRESS:-$SIP_ADDRESS}
	case "$own" in
	*[!0-9.]*) hint "SBC_ADDRESSES_TABLE has addresses of IPv4 alone: '$own' is not noted there" ;;
	*)
		SBC_ADDRESSES="udp:$own:$SIP_PORT"
		[ -z "$TLS_PORT" ] || SBC_ADDRESSES="$SBC_ADDRESSES,tls:$own:$TLS_PORT"
		[ -z "$WSS_PORT" ] || SBC_ADDRESSES="$SBC_ADDRESSES,wss:$own:$WSS_PORT"
		;;
	esac
fi
case "$CARRIERS_TABLE" in
*[!A-Za-z0-9_.]*) fail "CARRIERS_TABLE must be the name of a table" ;;
*.*) JAMBONZ_DATABASE=${CARRIERS_TABLE%.*}. ;;
*) JAMBONZ_DATABASE= ;;
esac
[ -z "$CARRIERS_TABLE" ] || [ "$DB_MODULE" = db_mysql.so ] || fail "CARRIERS_TABLE needs a DB_URL of mysql://"
own=${ADVERTISED_ADDRESS:-$SIP_ADDRESS}
TRUNK_ADDRESS="udp:$own:$SIP_PORT tcp:$own:$SIP_PORT"
[ -z "$TLS_PORT" ] || TRUNK_ADDRESS="$TRUNK_ADDRESS tls:$own:$TLS_PORT"
TRUNK_TLS=
[ -z "$CARRIERS_TABLE" ] || TRUNK_TLS=$TLS_PORT
[ -n "$TRUNK_TLS" ] || [ -z "$TRUNK_TLS_CA" ] || fail "TRUNK_TLS_CA needs CARRIERS_TABLE and TLS_PORT"
TRUNK_VERIFY=0
[ -z "$TRUNK_TLS_CA" ] || TRUNK_VERIFY=1
BY_ADDRESS=0
[ "$TRUNK_BY_ADDRESS" = no ] || BY_ADDRESS=1
case "$CLIENTS_CIPHER" in
aes-256-cbc | aes-256-ctr) ;;
*) fail "CLIENTS_CIPHER must be aes-256-cbc or aes-256-ctr, not '$CLIENTS_CIPHER'" ;;
esac
case "$TIME_SERIES_URL" in
'' | http://?* | https://?*) ;;
*) fail "TIME_SERIES_URL must begin with http:// or https://" ;;
esac
# They mean nothing without a server, but may be in an environment of sidecar's.
[ -n "$STATS_SERVER" ] || STATS_PREFIX='' STATS_TAGS=''
case "$STATS_SERVER" in
'' | udp:?*:?* | tcp:?*:?*) ;;
*) fail "STATS_SERVER must be udp:host:port or tcp:host:port, not '$STATS_SERVER'" ;;
esac
# Whose account a realm is.
ACCOUNT_SID=$CLIENTS_TABLE
[ -z "$TIME_SERIES_URL" ] || [ "$DB_MODULE" != db_mysql.so ] || ACCOUNT_SID=1
# With a GET they would make its URL too long.
SENT_HEADERS=2
[ "$HTTP_HEADERS" = yes ] || SENT_HEADERS=0
NO_LIMITS=
[ "$DEVICE_LIMITS" = yes ] || NO_LIMITS=1
REALM_PARENT=1
[ "$PARENT_REALM" = yes ] || REALM_PARENT=0
# parameter MODULE NAME: whether that module has a parameter of this name.
parameter() {
	grep -q "$2" "$OPENSIPS_MODULES/$1" 2>/dev/null
}
# Some releases accept a CSeq equal to the last one, unless told not to.
DUP_CSEQ=
! parameter registrar.so allow_dup_cseq || DUP_CSEQ=0
WS_ORIGIN=
WSS_ORIGIN=
origin=0
[ "$REQUIRE_ORIGIN" = no ] || origin=1
[ -z "$WS_PORT" ] || ! parameter proto_ws.so require_origin || WS_ORIGIN=$origin
[ -z "$WSS_PORT" ] || ! parameter proto_wss.so require_origin || WSS_ORIGIN=$origin

export OPENSIPS_MODULES LOG_LEVEL LOG_TO_STDERR UDP_WORKERS TCP_WORKERS AUTH_WEB MI_SOCKET \
	SIP_ADDRESS SIP_PORT TLS_PORT WS_PORT WSS_PORT TLS ANY_TLS TLS_CERTIFICATE TLS_PRIVATE_KEY \
	ADVERTISED_ADDRESS OWN_NAMES WS_ORIGIN WSS_ORIGIN PRIVATE_ADDRESS PEERS DIALOG_TABLE \
	DB_URL OPENSIPS_DB_URL DB_TLS DB_CERTIFICATE DB_MODULE REALMS_TABLE DUP_CSEQ ACCOUNT_TTL ACCOUNT_GRACE \
	REDIS_URL REDIS_TIMEOUT ADOPT_INTERVAL SHORT_UDP NO_LIMITS HTTP_USER_AGENT \
	REGISTRAR_SECRET HTTP_TIMEOUT HTTP_BREAKER_TIME DIGEST_ALGORITHMS TOKEN_ALGORITHMS TOKEN_LEEWAY \
	DEFAULT_EXPIRES MAX_EXPIRES NAT_EXPIRES NEXT_HOP_ADDRESS NEXT_HOP_SOURCES TRUSTED \
	SENT_HEADERS REALM_PARENT CLIENTS_TABLE CLIENTS_SECRET CLIENTS_CIPHER TRUST_UDP_SOURCE \
	REGISTRANT_EXPIRY REGISTRANT_INTERVAL REGISTRANT_DEFAULT_EXPIRES REGISTRANT_MIN_EXPIRES \
	SITE_NETWORKS CLUSTER_ID CHECKIN_EXPIRES CHECKIN_INTERVAL \
	SBC_ADDRESSES_TABLE SBC_ADDRESSES SBC_ADDRESSES_INTERVAL SBC_ADDRESSES_EXPIRE \
	CARRIERS_TABLE JAMBONZ_DATABASE TRUNK_ADDRESS BY_ADDRESS TRUNK_INTERVAL TRUNK_RETRY TRUNK_TIMEOUT \
	TRUNK_TLS TRUNK_TLS_CA TRUNK_VERIFY TRUNK_REMOVE_CODES TRUNK_REMOVE_AFTER TRUNK_USER_AGENT \
	PING_INTERVAL PING_TTL PING_REMOVE_CODES \
	ACCOUNT_SID TIME_SERIES_URL STATS_SERVER STATS_PREFIX STATS_TAGS

# Values are in quotes there: one that closed them would inject script.
exec awk '
function value(name) {
	if (!(name in ENVIRON)) {
		refuse("no setting " name)
	}
	if (name == "CLIENTS_SECRET") {
		return quoted(ENVIRON[name])
	}
	if (ENVIRON[name] ~ /["\\\n\r]/) {
		refuse(name " has a quote, a backslash or a line end in it")
	}
	return ENVIRON[name]
}
# As between quotes. Secrets of jambonz have any characters.
function quoted(text,   at, one, out) {
	for (at = 1; at <= length(text); at++) {
		one = substr(text, at, 1)
		if (one == "\n") one = "\\n"
		else if (one == "\r") one = "\\r"
		else if (one == "\\" || one == "\"") one = "\\" one
		out = out one
	}
	return out
}
function refuse(why) {
	print "registrar.sh: " why > "/dev/stderr"
	print "registrar.sh refused the environment, see above"
	while ((getline rest) > 0);
	exit 1
}
match($0, /^#\[!?[A-Z_]+\] /) {
	name = substr($0, 3, RLENGTH - 4)
	line = substr($0, RLENGTH + 1)
	unset = sub(/^!/, "", name)
	$0 = (value(name) == "") == (unset == 1) ? line : ""
}
/^#/ {
	print
	next
}
{
	line = $0
	out = ""
	while (match(line, /\$\{[A-Z_]+\}/)) {
		out = out substr(line, 1, RSTART - 1) value(substr(line, RSTART + 2, RLENGTH - 3))
		line = substr(line, RSTART + RLENGTH)
	}
	print out line
}'
