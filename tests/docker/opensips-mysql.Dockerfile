# OpenSIPS's own driver for MySQL and its tables, if the image is without them, from where its OpenSIPS is.
ARG IMAGE
FROM ${IMAGE}
RUN set -e; \
    if ! find /usr/lib /usr/lib64 -name db_mysql.so 2>/dev/null | grep -q . \
        || [ ! -f /usr/share/opensips/mysql/registrant-create.sql ]; then \
        apt-get update; \
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            opensips-mysql-module opensips-mysql-dbschema; \
        rm -rf /var/lib/apt/lists/*; \
    fi
