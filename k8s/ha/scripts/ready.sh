# This readiness probe succeeds if the Service redis-slave should send read requests to this Redis.
. "${0%/*}/common.sh"
info=$(redis "$LOCAL" info replication)
has() { echo "$info" | grep -Eqx "$1"; }
if has role:master; then
  # A master without a slave is not ready, because clients must not read a write that no slave has.
  has 'min_slaves_good_slaves:[1-9].*' && [ "$(sentinel "$LOCAL" sentinel get-master-addr-by-name guestbook | head -n 1)" = "$ME" ]
  exit
fi
# A slave that has once been in sync stays ready while its master is unavailable, because old messages are better than none.
# k8s/redis-slave-deployment.yaml explains the following conditions.
has master_link_status:up && exit
[ -e "$DATA/copied" ] && has 'master_link_down_since_seconds:[0-9]{1,9}' || exit
! { has slave_repl_offset:1 && has repl_backlog_active:0; }
