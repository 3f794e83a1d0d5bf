# Telling whether a process runs, is ours, is gone.
# To be sourced after lib.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # pid, start and the like are set for the caller

# Prints the state letter and start time of process "$1"; fails if there is none.
process_stat() {
  local stat
  { read -r -d '' stat || true; } 2>/dev/null <"/proc/$1/stat" || return 1
  [[ -n $stat ]] || return 1
  # The program's name, in parentheses, may hold anything; fields count from behind it.
  local fields
  read -r -a fields <<<"${stat##*) }"
  printf '%s %s\n' "${fields[0]}" "${fields[19]}"
}

# Holds once process "$1", started at "$2", has let go of its files and ports: it is gone, or a zombie without threads.
is_gone() {
  local state start
  read -r state start < <(process_stat "$1") || return 0
  [[ $start == "$2" ]] || return 0
  [[ $state == [ZX] ]] || return 1
  local threads=("/proc/$1/task/"*)
  ((${#threads[@]} <= 1))
}

# Sets pid and start to the running process of the server folder "$1"; fails if it is down.
read_process() {
  pid='' start=''
  { read -r pid start <"$1/pid"; } 2>/dev/null || return 1
  ! is_gone "$pid" "$start" || return 1
  local arg
  while IFS= read -r -d '' arg; do
    [[ $arg != "--datadir=$1/data" ]] || return 0
  done 2>/dev/null <"/proc/$pid/cmdline"
  return 1
}

# Prints the PIDs of all processes that run on a data directory of the set "$1", whether or not a pid file names them.
processes_of_set() {
  local quoted
  quoted=$(printf '%s' "$1" | sed 's/[][\.*^$]/\\&/g')
  # The anchors keep grep from finding its own command line.
  { grep -lzx -e "--datadir=$quoted/[^/]*/data" /proc/[0-9]*/cmdline 2>/dev/null || true; } | cut -d/ -f3
}

# Waits until processes "$2..." (as PID:START) are gone; fails after "$1" seconds.
wait_until_gone() {
  local deadline=$((SECONDS + $1)) one
  shift
  for one in "$@"; do
    until is_gone "${one%:*}" "${one#*:}"; do
      ((SECONDS < deadline)) || return 1
      sleep 0.02
    done
  done
}
