# One server: its program, data directory and accounts, starting and signalling it. Its folder is described in servers.
# To be sourced after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # pid, start and the like are set for the caller

readonly kStartTimeoutS=${ASSENT_SERVERS_START_TIMEOUT_S:-90}
readonly kPortAttemptsMax=8
readonly kUser=assent
readonly kAdmin=root
# Change it when what a template data directory holds changes.
readonly kTemplateRevision=1

# Sets server_command to the program and the options that its installation needs.
find_server_program() {
  case $1 in
    mariadb)
      local program
      program=$(PATH=$PATH:/usr/sbin command -v mariadbd) ||
        unavailable 'mariadbd is not installed: run scripts/install'
      server_command=("$program" --no-defaults)
      ;;
    mysql)
      mysql_find || unavailable 'MySQL has not been fetched: run scripts/servers fetch-mysql'
      server_command=("${mysql_command[@]}")
      ;;
  esac
  # Both refuse to run as root unless told to.
  ((EUID != 0)) || server_command+=(--user=root)
}

make_template() {
  local kind=$1 template=$2
  [[ ! -d $template ]] || return 0
  step "preparing an empty $kind data directory (once)"
  local aside
  aside=$(mktemp -d "$template.XXXXXX")
  # shellcheck disable=SC2064  # the folder's name of now is meant
  trap "rm -rf '$aside'" EXIT
  if [[ $kind == mariadb ]]; then
    local as_user=()
    ((EUID != 0)) || as_user=(--user=root)
    # --force: this machine's own name need not be one that it can look up.
    mkdir "$aside/tmp"
    mariadb-install-db --no-defaults --tmpdir="$aside/tmp" --force "${as_user[@]}" --datadir="$aside/data" --auth-root-authentication-method=normal \
      --skip-test-db --skip-name-resolve >"$aside/log" 2>&1 ||
      { tail -n 20 "$aside/log" >&2; die 'mariadb-install-db failed (its last words are above)'; }
  else
    "${server_command[@]}" --initialize-insecure --datadir="$aside/data" >"$aside/log" 2>&1 ||
      { tail -n 20 "$aside/log" >&2; die 'mysqld --initialize-insecure failed (its last words are above)'; }
    # Each copy has to find an identity of its own.
    rm -f "$aside/data/auto.cnf"
  fi
  mv -T "$aside/data" "$template"
}

# Sets template to a data directory to copy from, made if need be.
find_template() {
  local version
  version=$("${server_command[@]}" --version | sed -nE 's/.* Ver ([^ ]+).*/\1/p')
  template=$ASSENT_CACHE/template-$1-$version-r$kTemplateRevision
  [[ -d $template ]] ||
    with_lock "$template.lock" "waiting for another process that prepares a $1 data directory" make_template "$1" "$template"
}

write_client_file() {
  local folder=$1 password=$2
  printf '[client]\nprotocol=tcp\nhost=127.0.0.1\nport=%s\nuser=%s\npassword=%s\n' \
    "$(<"$folder/port")" "$kUser" "$password" >"$folder/client.cnf"
}

# The accounts. On MariaDB, anonymous users and the further roots of a fresh directory would shadow them. What passes a
# read-only server is taken from the account for Assent, so that tests meet the refusals that production meets.
write_accounts() {
  local kind=$1 password=$2 account
  printf 'SET SESSION sql_log_bin=0;\n'
  if [[ $kind == mariadb ]]; then
    printf "DELETE FROM mysql.global_priv WHERE User='' OR (User='%s' AND Host<>'localhost');\nFLUSH PRIVILEGES;\n" "$kAdmin"
  fi
  for account in "'$kUser'@'%'" "'$kUser'@'localhost'" "'$kAdmin'@'%'"; do
    printf "DROP USER IF EXISTS %s;\nCREATE USER %s IDENTIFIED BY '%s';\n" "$account" "$account" "$password"
    printf 'GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n' "$account"
    [[ $kind != mysql ]] || printf 'GRANT XA_RECOVER_ADMIN ON *.* TO %s;\n' "$account"
    [[ $account == "'$kUser'"* ]] || continue
    if [[ $kind == mariadb ]]; then
      printf 'REVOKE READ_ONLY ADMIN ON *.* FROM %s;\n' "$account"
    else
      printf 'REVOKE SUPER, CONNECTION_ADMIN ON *.* FROM %s;\n' "$account"
    fi
  done
  printf "ALTER USER '%s'@'localhost' IDENTIFIED BY '%s';\n" "$kAdmin" "$password"
}

# For a process that outlives this one: whoever reads our output through a pipe, or waits for a lock, must not wait for it.
close_inherited() {
  local fd
  for fd in "/proc/$BASHPID/fd/"*; do
    fd=${fd##*/}
    ((fd <= 2)) || eval "exec $fd>&-"
  done
}

# Starts the server of folder "$1" with further options "$2...", without waiting for it.
launch() {
  local folder=$1 kind
  shift
  kind=$(<"$folder/kind")
  local server_command
  find_server_program "$kind"
  local options=(--datadir="$folder/data" --socket="$folder/mysqld.sock" --pid-file="$folder/mysqld.pid"
    --bind-address=127.0.0.1 --port="$(<"$folder/port")" --skip-name-resolve --max-connections=500
    --innodb-buffer-pool-size=128M --tmpdir="$folder/tmp")
  [[ $kind == mysql ]] || options+=(--performance-schema=OFF)
  local kept=()
  mapfile -t kept <"$folder/options"
  # Of its own: a MariaDB that starts clears its tmpdir, and one whose temporary tables vanish may crash.
  mkdir -p "$folder/tmp"
  # What a killed server leaves: MySQL takes its lock file for a live server's as long as nobody has reaped the zombie.
  rm -f "$folder"/mysqld.{sock,sock.lock,pid}
  (
    cd /
    exec </dev/null >>"$folder/error.log" 2>&1
    close_inherited
    trap - INT TERM EXIT
    exec setsid "${server_command[@]}" "${options[@]}" "${kept[@]}" "$@"
  ) &
  local pid=$! state start
  disown "$pid"
  read -r state start < <(process_stat "$pid" || printf 'X 0\n')
  printf '%s %s\n' "$pid" "$start" >"$folder/pid"
}

# Waits until the server of folder "$1" answers a query of the account for Assent; fails if it dies or takes too long.
wait_until_it_answers() {
  local folder=$1 pid start version deadline=$((SECONDS + kStartTimeoutS))
  read -r pid start <"$folder/pid"
  while ((SECONDS < deadline)); do
    if [[ -S $folder/mysqld.sock ]] &&
      version=$(mariadb --defaults-file="$folder/client.cnf" --connect-timeout=5 -BNe 'SELECT VERSION()' 2>"$folder/client.err"); then
      printf '%s\n' "${version%%-*}" >"$folder/version"
      return
    fi
    ! is_gone "$pid" "$start" || return 1
    sleep 0.05
  done
  say "${folder##*/} did not answer within $kStartTimeoutS s; the last attempt said: $(<"$folder/client.err")"
  return 1
}

# The error log of folder "$1" from byte "$2" on, its last lines only.
show_log() {
  say "--- the end of ${1##*/}'s error log:"
  tail -c "+$(($2 + 1))" "$1/error.log" | tail -n 20 | sed 's/^/    /' >&2
  say '---'
}

log_bytes() { stat -c %s "$1/error.log" 2>/dev/null || printf '0\n'; }

# Makes a new server in the empty folder "$1" and starts it.
bring_up() {
  local folder=$1 template=$2 kind password attempt log_start
  kind=$(<"$folder/kind")
  cp -a --reflink=auto "$template" "$folder/data"
  password=$(random_secret)
  printf '%s\n' "$password" >"$folder/password"
  write_accounts "$kind" "$password" >"$folder/accounts.sql"
  for ((attempt = 0; attempt < kPortAttemptsMax; ++attempt)); do
    reserve_port "$folder" >"$folder/port"
    write_client_file "$folder" "$password"
    log_start=$(log_bytes "$folder")
    launch "$folder" --init-file="$folder/accounts.sql"
    if wait_until_it_answers "$folder"; then
      rm -f "$folder/accounts.sql" "$folder/client.err"
      return
    fi
    signal_server "$folder" KILL 5 || true
    # Somebody else took the port after we had found it free.
    tail -c "+$((log_start + 1))" "$folder/error.log" | grep -q 'Bind on TCP/IP port' || break
    release_port "$(<"$folder/port")" "$folder"
  done
  say "${folder##*/} could not be started"
  show_log "$folder" "$log_start"
  return 1
}

# Sends signal "$2" to the server of folder "$1" and waits up to "$3" seconds until it is gone.
signal_server() {
  local pid start
  if read_process "$1"; then
    kill "-$2" "$pid" 2>/dev/null || true
    wait_until_gone "$3" "$pid:$start" || return 1
  fi
  rm -f "$1/pid"
}
