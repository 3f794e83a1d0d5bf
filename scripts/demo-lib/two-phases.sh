# The story in two phases. Sourced by scripts/demo, on its stage.

chapter '1. Ada orders 2 kettles at 20.00: the order, the stock and the payment live in three databases.'
order 1 2 | submit committed 0
check 'the order is there (orders, MariaDB)' 1 "$(orders)"
check 'the stock is taken (stock, MySQL)' 1 "$(kettles)"
check 'Ada has paid (payments, MariaDB)' 60.00 "$(purse ada)"
check 'the shop has been paid' 40.00 "$(purse shop)"

chapter '2. She orders 2 more, but one kettle is left: nothing changes, anywhere.'
order 2 2 | submit 'rolled back' 1
check 'no second order' 1 "$(orders)"
check 'the last kettle is still there' 1 "$(kettles)"
check 'nothing was charged' 60.00 "$(purse ada)"

chapter '3. A bank transfer of 250.50 between two servers.'
submit committed 0 <<'TRANSFER'
{"label": "transfer", "branches": [
  {"participant": "bank", "statements": [
    {"sql": "UPDATE accounts SET balance = balance - ? WHERE owner = 'ada' AND balance >= ?",
     "args": [{"decimal": "250.50"}, {"decimal": "250.50"}], "expect": {"affected": 1}}]},
  {"participant": "payments", "statements": [
    {"sql": "UPDATE accounts SET balance = balance + ? WHERE owner = 'ada'",
     "args": [{"decimal": "250.50"}], "expect": {"affected": 1}}]}
]}
TRANSFER
check 'the bank has given it' 249.50 "$(sql mariadb3 'SELECT balance FROM bank.accounts')"
check 'the purse has got it' 310.50 "$(purse ada)"

chapter '4. Ada orders the last kettle, and the coordinator is killed with -9 between its decision and the commits.'
tell 'A fourth branch, at the bank, takes three seconds. Once the other three have prepared, the network to them is'
tell 'frozen, so that the decision is made and forced to the log, but no XA COMMIT can arrive.'
slow_order 3 1 >"$work/slow.json"
"$bin/assentctl" submit "$work/slow.json" >"$work/answer" 2>&1 &
submit_pid=$!
wait_until 'three branches are prepared' three_prepared
freeze_relays
is_decided() { "$bin/assentctl" --json status --key order-3 | grep -q '"outcome": *"committed"'; }
wait_until 'the decision is made' is_decided
kill_assentd
wait "$submit_pid" || true
stop_relays
tell 'assentd is dead. What the databases show now:'
check 'the order is not there' 1 "$(orders)"
check 'the kettle is not taken' 1 "$(kettles)"
check 'nothing is charged' 310.50 "$(purse ada)"
check 'three branches are in doubt' 3 "$(in_doubt)"
tell 'The network is mended and assentd started again.'
start_relays
start_assentd
is_settled() { "$bin/assentctl" --json status --key order-3 | grep -q '"settled": *true'; }
wait_until 'the transaction is settled' is_settled
"$bin/assentctl" status --key order-3 | sed 's/^/     | /'
check 'the order is there' 2 "$(orders)"
check 'the last kettle is taken' 0 "$(kettles)"
check 'Ada has paid' 290.50 "$(purse ada)"
check 'the shop has been paid' 60.00 "$(purse shop)"
check 'the bank has its entry' 250.50 "$(sql mariadb3 'SELECT balance FROM bank.accounts')"
check 'nothing is in doubt' 0 "$(in_doubt)"
