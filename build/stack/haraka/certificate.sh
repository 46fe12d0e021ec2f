#!/bin/sh
# Make a key and a certificate for STARTTLS in a folder, unless they are there.
set -eu
cd "$1"
[ -e tls_cert.pem ] || exec openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	-days 30 -subj /CN=mx-in.test -keyout tls_key.pem -out tls_cert.pem
