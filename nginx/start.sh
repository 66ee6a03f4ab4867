#!/bin/sh
# Starts nginx, which then listens on IPv4, and on IPv6 where this kernel has it.

# html/ is found beside the configuration, whichever prefix this nginx was built with.
nginx="nginx -p /etc/nginx"

# nginx ends where it cannot open an address. A test of its configuration opens all, and so tells.
echo 'listen [::]:80 sndbuf=32k rcvbuf=32k;' >/tmp/listen-ipv6.conf
$nginx -t -q 2>/dev/null || rm /tmp/listen-ipv6.conf

exec $nginx -g 'daemon off;'
