# Free ports on the loopback address, reserved for a server for as long as its folder exists.
# To be sourced after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # pid, start and the like are set for the caller

# Below Linux's range for outgoing connections (32768 and up), so that no client socket takes a killed server's port.
readonly kPortFirst=20000
readonly kPortLast=31999

# A port stays reserved for its server folder while that exists, so a killed server finds its port free when it is
# started again. Servers of other users or caches are found by trying, and a lost race by the server's own complaint.
is_listened_on() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

reserve_port_locked() {
  local folder=$1 port=0 owner tries
  for ((tries = 0; tries < 500; ++tries)); do
    port=$((kPortFirst + (RANDOM * 32768 + RANDOM) % (kPortLast - kPortFirst + 1)))
    if [[ -e $ASSENT_CACHE/ports/$port ]]; then
      owner=$(<"$ASSENT_CACHE/ports/$port")
      [[ ! -d $owner ]] || continue
    fi
    ! is_listened_on "$port" || continue
    printf '%s\n' "$folder" >"$ASSENT_CACHE/ports/$port"
    printf '%s\n' "$port"
    return
  done
  die "no free port between $kPortFirst and $kPortLast: stop some servers (scripts/servers down --all)"
}

reserve_port() {
  mkdir -p "$ASSENT_CACHE/ports"
  with_lock "$ASSENT_CACHE/ports.lock" '' reserve_port_locked "$1"
}

release_port() {
  local port=$1 folder=$2
  [[ $(cat "$ASSENT_CACHE/ports/$port" 2>/dev/null) != "$folder" ]] || rm -f "$ASSENT_CACHE/ports/$port"
}
