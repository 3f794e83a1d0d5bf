# The story in three phases. Sourced by scripts/demo, on its stage.

recover() {
  local code=0
  tell "assentctl recover --config assentd.json --coordinator shop1 --log-lost $*"
  "$bin/assentctl" recover --config "$work/assentd.json" --coordinator shop1 --log-lost "$@" >"$work/answer" 2>&1 || code=$?
  sed 's/^/     | /' "$work/answer"
  return "$code"
}
# It may have been too short a time since the last sign of life.
recovers() { recover --apply >"$work/recovered"; }
pre_committed() {
  [[ $(sql mariadb3 "SELECT COUNT(*) FROM assent.acceptor WHERE accepted_value = 'commit'") == 1 ]] &&
    [[ $(sql mariadb1 "SELECT COUNT(*) FROM assent.acceptor WHERE accepted_value = 'commit'") == 1 ]]
}
no_acceptor_rows() { [[ $(sql mariadb3 'SELECT COUNT(*) FROM assent.acceptor') == 0 ]]; }
lose_coordinator() {
  kill_assentd
  rm -r "$work/log"
  wait "$submit_pid" || true
  stop_relays
}

chapter '1. Ada orders a kettle at 20.00, in three phases: a majority of three acceptors keeps the outcome.'
order 1 1 | submit committed 0
check 'the order is there (orders, MariaDB)' 1 "$(orders)"
check 'the stock is taken (stock, MySQL)' 2 "$(kettles)"
check 'Ada has paid (payments, MariaDB)' 80.00 "$(purse ada)"
wait_until 'its acceptors have forgotten it' no_acceptor_rows

chapter '2. The next order is pre-committed when the coordinator is killed with -9, and its disk is lost.'
tell 'A fourth branch, at the bank, takes three seconds. Once the other three have prepared, the network to them is'
tell 'frozen: the acceptors are asked, which are reached another way, but no XA COMMIT can arrive at the three.'
slow_order 2 1 >"$work/slow.json"
"$bin/assentctl" submit "$work/slow.json" >"$work/answer" 2>&1 &
submit_pid=$!
wait_until 'three branches are prepared' three_prepared
freeze_relays
wait_until 'the acceptors have accepted commit' pre_committed
lose_coordinator
tell 'assentd is dead, and its log deleted. What the databases show now:'
check 'the order is not there' 1 "$(orders)"
check 'the kettle is not taken' 2 "$(kettles)"
check 'nothing is charged' 80.00 "$(purse ada)"
check 'three branches are in doubt' 3 "$(in_doubt)"
tell 'The network is mended. From the databases alone:'
start_relays
recover || true
wait_until 'it is recovered' recovers
cat "$work/recovered"
check 'the order is there' 2 "$(orders)"
check 'the kettle is taken' 1 "$(kettles)"
check 'Ada has paid' 60.00 "$(purse ada)"
check 'the bank has its entry' 501.00 "$(sql mariadb3 'SELECT balance FROM bank.accounts')"
check 'nothing is in doubt' 0 "$(in_doubt)"

chapter '3. The last order has prepared three branches, and is not pre-committed, when the same happens.'
tell 'assentd --log-lost: without that word, a coordinator whose log is gone is not started'
start_assentd --log-lost
wait_until 'every participant is up' participants_up
slow_order 3 1 >"$work/slow.json"
"$bin/assentctl" submit "$work/slow.json" >"$work/answer" 2>&1 &
submit_pid=$!
wait_until 'three branches are prepared' three_prepared
lose_coordinator
start_relays
recover || true
wait_until 'it is recovered' recovers
cat "$work/recovered"
check 'no third order' 2 "$(orders)"
check 'the last kettle is still there' 1 "$(kettles)"
check 'nothing was charged' 60.00 "$(purse ada)"
check 'nothing at the bank' 501.00 "$(sql mariadb3 'SELECT balance FROM bank.accounts')"
check 'nothing is in doubt' 0 "$(in_doubt)"

chapter '4. A new coordinator with an empty log serves.'
start_assentd --log-lost
wait_until 'every participant is up' participants_up
order 4 1 | submit committed 0
check 'the order is there' 3 "$(orders)"
