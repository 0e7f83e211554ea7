ARG IMAGE
FROM ${IMAGE}
COPY endpoint /usr/bin/endpoint
COPY users /etc/users
USER nobody
ENTRYPOINT ["/usr/bin/endpoint", "--listen", "0.0.0.0:8080", "--users", "/etc/users"]
