#!/bin/sh
# Starts nginx, which listens on IPv4, and on IPv6 if this kernel has it.

# -p makes nginx find html/ beside its configuration, whatever prefix it was built with.
nginx="nginx -p /etc/nginx"

# nginx exits if it cannot open an address. A test of its configuration opens all of them, and so fails without IPv6.
echo 'listen [::]:80 sndbuf=32k rcvbuf=32k;' >/tmp/listen-ipv6.conf
$nginx -t -q 2>/dev/null || rm /tmp/listen-ipv6.conf

exec $nginx -g 'daemon off;'
