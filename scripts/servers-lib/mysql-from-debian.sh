# MySQL for tests. Debian stable has no mysql-server, Debian unstable has: its packages and all that they depend on are
# fetched by apt (which checks their signatures) and unpacked into one folder of the cache. Nothing of the system is
# touched. mysqld then runs through that folder's own dynamic loader, since its C library is newer than the system's.
# To be sourced after lib.sh. To fetch a newer MySQL, remove the folder.
# shellcheck shell=bash
# shellcheck disable=SC2034  # mysql_command is set for the caller

readonly kMysqlMirror=http://deb.debian.org/debian
readonly kMysqlKeyring=/usr/share/keyrings/debian-archive-keyring.gpg
mysql_folder=$ASSENT_CACHE/mysql

# Sets mysql_command to mysqld and the options that running it from its folder needs; fails if it was not fetched.
mysql_find() {
  local usr=$mysql_folder/usr loaders
  loaders=("$usr"/lib/*-linux-gnu*/ld-linux*.so.*)
  [[ -x ${loaders[0]} && -x $usr/sbin/mysqld ]] || return 1
  mysql_command=("${loaders[0]}" --library-path "${loaders[0]%/*}" "$usr/sbin/mysqld" --no-defaults
    --lc-messages-dir="$usr/share/mysql" --character-sets-dir="$usr/share/mysql/charsets"
    --plugin-dir="$usr/lib/mysql/plugin" --secure-file-priv= --mysqlx=OFF)
}

# Fetches MySQL unless it is there. Safe to run twice at once, and to interrupt: the folder appears whole or not at all.
mysql_fetch() {
  mysql_find || with_lock "$mysql_folder.lock" 'waiting for another process that fetches MySQL' mysql_fetch_locked
}

mysql_fetch_locked() {
  ! mysql_find || return 0
  local tool
  for tool in apt-get apt-config dpkg; do
    command -v "$tool" >/dev/null ||
      die "MySQL is fetched from Debian unstable and this system has no $tool: use tests/docker-compose.yml instead"
  done
  [[ -r $kMysqlKeyring ]] || die "the package debian-archive-keyring is not installed: run scripts/install"
  # apt downloads as a user of its own, which has to get into this folder.
  mysql_work=$(mktemp -d "${TMPDIR:-/tmp}/assent-mysql-XXXXXX")
  mysql_aside=$mysql_folder.$BASHPID
  trap 'rm -rf "$mysql_work" "$mysql_aside"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  chmod 755 "$mysql_work"
  (
    umask 022
    mkdir -p "$mysql_work"/{state,lists/partial,cache/archives/partial,sources}
    : >"$mysql_work/status"
    printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: %s\n' "$kMysqlMirror" "$kMysqlKeyring" \
      >"$mysql_work/sources/sid.sources"
    # Of this system's configuration only how to download is kept (proxies, checks), neither its hooks nor its pins.
    apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' >"$mysql_work/apt.conf"
    # A mirror that lags behind serves well enough for a test server; signatures are checked all the same.
    cat >>"$mysql_work/apt.conf" <<CONF
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
Dir::State "$mysql_work/state";
Dir::State::Lists "$mysql_work/lists";
Dir::State::status "$mysql_work/status";
Dir::Cache "$mysql_work/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$mysql_work/sources";
CONF
  )
  step 'fetching MySQL from Debian unstable (66 MB, once)'
  local -x APT_CONFIG=$mysql_work/apt.conf
  {
    apt-get -q -o Acquire::Retries=3 update &&
      apt-get -q -y -o Acquire::Retries=3 install --download-only --no-install-recommends mysql-server-core mysql-client-core
  } | sed -n '/^Get:/p' >&2 ||
    die "MySQL could not be fetched from $kMysqlMirror (apt's message is above): is there a network?"
  step "unpacking it into $mysql_folder (409 MB)"
  # What an interrupted run left, or a folder that lacks what is needed.
  rm -rf "$mysql_folder" "$mysql_folder".[0-9]*
  mkdir -p "$mysql_aside"
  local archive
  for archive in "$mysql_work"/cache/archives/*.deb; do
    dpkg -x "$archive" "$mysql_aside"
  done
  mv -T "$mysql_aside" "$mysql_folder"
  mysql_find || die "what Debian unstable has now does not hold mysqld where it is expected: look into $mysql_folder"
}
