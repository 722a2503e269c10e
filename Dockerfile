# One static binary and the authorities' certificates: no shell, no package manager, no other file.
#
#   make image                                  # builds the binary and this image
#   podman run --rm -e PASSWORK_HOST -e PASSWORK_TOKEN -e PASSWORK_MASTER_KEY keyferry get --password-id ID
#
# Called without a command's name in front, it is `passwork-cli`; `--entrypoint /keyferry` gives keyferry's own commands.
# There is no shell: `exec -- PROGRAM` runs what an image built on this one brings along. To have keyferry in another
# image: COPY --from=keyferry /keyferry /usr/local/bin/
FROM scratch
ARG BINARY=target/static/x86_64-unknown-linux-gnu/release/keyferry
ARG CERTIFICATES=.cache/image/ca-certificates.crt
COPY ${CERTIFICATES} /etc/ssl/certs/ca-certificates.crt
COPY --chmod=0555 ${BINARY} /keyferry
COPY --chmod=0555 ${BINARY} /passwork-cli
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/passwork-cli"]
