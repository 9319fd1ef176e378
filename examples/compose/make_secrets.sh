#!/bin/sh
# Make the files of compose.yaml's secrets, once: sh make_secrets.sh. They are not overwritten.
set -eu
cd "$(dirname "$0")"
printf 'US or EU: ' >&2
read -r data_center
printf 'API key of Iterable: ' >&2
read -r key

# Programs in containers read the files as other users; the folder keeps out those of this machine.
umask 022
mkdir -m 700 secrets
cd secrets
random() { od -An -N 32 -t x1 /dev/urandom | tr -d ' \n'; }
printf '{"api_key": "%s", "data_center": "%s"}\n' "$key" "$data_center" > iterable.json
for name in segment_shared_secret segment_header_secret database_password grafana_password; do
  random > "$name"
done
printf '[iterable]\nhost=database\ndbname=iterable\nuser=iterable\npassword=%s\n' \
  "$(cat database_password)" > pg_service.conf
