# Whether this one may be read, through the Service redis-slave.
. "${0%/*}/common.sh"
info=$(redis "$LOCAL" info replication)
has() { echo "$info" | grep -Eqx "$1"; }
if has role:master; then
  # What it holds and no slave does is lost with it, or when another has become the master meanwhile: nobody must have
  # seen that.
  has 'min_slaves_good_slaves:[1-9].*' && [ "$(sentinel "$LOCAL" sentinel get-master-addr-by-name guestbook | head -n 1)" = "$ME" ]
  exit
fi
# As in redis-slave: once it was in sync, old messages are better than none.
has master_link_status:up && exit
[ -e "$DATA/copied" ] && has 'master_link_down_since_seconds:[0-9]{1,9}' || exit
! { has slave_repl_offset:1 && has repl_backlog_active:0; }
