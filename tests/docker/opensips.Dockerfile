ARG IMAGE
FROM ${IMAGE}
COPY auth_web.so /tmp/
# Beside the other modules, whose path depends on release and architecture: /modules is that folder.
RUN set -e; \
    for file in /usr/lib/*/opensips/modules/tm.so /usr/lib*/opensips/modules/tm.so; do \
        if [ -f "$file" ]; then \
            install -m 644 /tmp/auth_web.so "${file%/*}/auth_web.so"; \
            ln -s "${file%/*}" /modules; \
            exit 0; \
        fi; \
    done; \
    echo "no modules folder of OpenSIPS in this image" >&2; exit 1
COPY sip-ping /usr/local/bin/sip-ping
COPY etc /etc/opensips
