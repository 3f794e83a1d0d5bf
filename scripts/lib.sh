# What the scripts beside this file share. To be sourced by bash, never run.
# shellcheck shell=bash
# shellcheck disable=SC2034  # set for the scripts that source this file

ASSENT_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
ASSENT_TOP=${ASSENT_SCRIPTS%/*}
# What may be made again at any time: fetched servers, template data directories, port reservations.
ASSENT_CACHE=${ASSENT_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/assent}

# The exit codes of assentctl, as far as scripts need them.
readonly kExitUsage=64
readonly kExitUnavailable=69

# Progress and complaints go to stderr, so that stdout holds results only.
say() { printf '%s\n' "$*" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
unavailable() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "$kExitUnavailable"
}
usage_error() {
  printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$*" "$0" >&2
  exit "$kExitUsage"
}

# Dies unless the option "$1" is followed by a value; call as: need_value "$@"
need_value() { [[ $# -ge 2 && -n $2 ]] || usage_error "$1 needs a value"; }

# Runs a command as root: directly, or through sudo.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "'$1' has to run as root and there is no sudo: run this script once as root"
  fi
}

# A secret of 24 letters and digits (about 140 bits).
random_secret() {
  local bytes
  bytes=$(head -c 256 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9')
  printf '%s\n' "${bytes:0:24}"
}

# "$1" as a JSON string. Paths and versions only: control characters are refused where they enter.
json_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# Runs "$3..." under an exclusive lock on the file "$1"; says "$2" if it has to wait for another process.
with_lock() {
  local file=$1 why=$2
  shift 2
  mkdir -p "${file%/*}"
  (
    if ! flock --nonblock 9; then
      [[ -z $why ]] || say "$why"
      flock 9
    fi
    "$@"
  ) 9>"$file"
}
