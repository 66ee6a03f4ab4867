# Reports whether the Service redis-slave may send readers to this Redis.
. "${0%/*}/common.sh"
info=$(redis "$LOCAL" info replication)
has() { echo "$info" | grep -Eqx "$1"; }
if has role:master; then
  # A write that no slave has is lost if this master dies, or if another has already become the master. Nobody may see such a
  # write.
  has 'min_slaves_good_slaves:[1-9].*' && [ "$(sentinel "$LOCAL" sentinel get-master-addr-by-name guestbook | head -n 1)" = "$ME" ]
  exit
fi
# A slave that was once in sync stays ready, because old messages are better than none. redis-slave's probe does the same.
has master_link_status:up && exit
[ -e "$DATA/copied" ] && has 'master_link_down_since_seconds:[0-9]{1,9}' || exit
! { has slave_repl_offset:1 && has repl_backlog_active:0; }
