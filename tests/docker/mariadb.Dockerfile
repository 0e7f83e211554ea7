ARG IMAGE
FROM ${IMAGE}
COPY initdb /docker-entrypoint-initdb.d
