#!/bin/sh
# This script starts nginx, which listens on IPv4, and on IPv6 if the kernel supports IPv6.

# The option -p sets nginx's prefix to /etc/nginx, so that nginx serves /etc/nginx/html.
nginx="nginx -p /etc/nginx"

# "nginx -t" tries to listen on all addresses, and so fails on a kernel without IPv6.
echo 'listen [::]:80 sndbuf=32k rcvbuf=32k;' >/tmp/listen-ipv6.conf
$nginx -t -q 2>/dev/null || rm /tmp/listen-ipv6.conf

exec $nginx -g 'daemon off;'
