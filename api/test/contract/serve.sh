# This script runs nginx's start.sh as in a container: in new namespaces, on a read-only root file system, and with a user ID that has no
# user name. The script prints the addresses at which nginx answers. FROM is the folder of nginx's settings.
echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start
mkdir -p /etc/nginx
mount --bind "$FROM" /etc/nginx
mount -t tmpfs tmp /tmp
mount -o remount,bind,ro /
unshare --map-user 12345 --map-group 12345 /etc/nginx/start.sh >/dev/null &
answering() { for ip in 127.0.0.1 '[::1]'; do ! curl -sgfo /dev/null "http://$ip/" || echo "$ip"; done; }
until [ "$(answering)" ]; do sleep 0.02; done
# When nginx answers at one of its addresses, it already listens at all of them.
answering
kill -QUIT $!
wait
