# A static binary in an empty image: no shell, no package, not root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/maildrift ./cmd/maildrift \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/maildrift /maildrift
COPY --from=build --chown=65532:65532 /out/data /var/lib/maildrift
COPY configs/maildrift.yml /etc/maildrift/maildrift.yml
USER 65532:65532
VOLUME /var/lib/maildrift
EXPOSE 9853
ENTRYPOINT ["/maildrift"]
CMD ["serve", "--config", "/etc/maildrift/maildrift.yml"]
