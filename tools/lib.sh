# shellcheck shell=bash disable=SC2034
# (SC2034: the package lists are used by the scripts that source this file)
#
# What the scripts in this folder share; sourced, never run.
#
# Owns: where the tree and the caches are, which Debian packages each script needs and how they are
# installed, how Bazel is called, and how progress is shown. A script that sources this file must
# have `set -euo pipefail` and gets ROOT, CACHE and the functions below.
# Must never know: what is tested, and what the program does.

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
CACHE="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/sallyport"
BAZEL="${BAZEL:-/usr/bin/bazel}"
PYTHON=/usr/bin/python3
STARTED=$SECONDS
export ROOT CACHE BAZEL PYTHON

# What quickstart needs: the compiler, Bazel, the libraries, apt's source tools, curl, Python.
PACKAGES_QUICKSTART=(
    bazel-bootstrap bazel-rules-java gcc g++ libev-dev libc-ares-dev libyaml-dev libidn2-dev
    libjansson-dev libnghttp2-dev libhiredis-dev libpsl-dev zlib1g-dev publicsuffix apt dpkg-dev xz-utils ca-certificates openssl python3 curl
)
# What the unit and end-to-end tests need beside that.
PACKAGES_TEST=(
    libcmocka-dev python3-pytest python3-requests python3-cryptography python3-openssl python3-h2
    git iproute2 binutils libnss3-tools nodejs nginx-light libnginx-mod-stream haproxy apache2-bin
    rsyslog tzdata mandoc zsh fish python3-pexpect bubblewrap
    python3-yaml python3-jsonschema redis-server nftables openssh-client
)
# What the tests with real client programs need beside that (tools/test --clients).
PACKAGES_CLIENTS=(wget python3-scrapy python3-pip openjdk-17-jdk-headless python3-aiohttp
    python3-httpx golang-go golang-golang-x-net-dev netcat-openbsd ncat openssh-client rclone squid-openssl tinyproxy
    python3-grpcio nghttp2-proxy prometheus
    rsyslog-openssl rsyslog-gnutls python3-kubernetes
    golang-k8s-sigs-yaml-dev)
# What it needs from npm, where Debian's are too old; without npm their tests fail and say so.
NODE_CLIENTS=(undici@6 https-proxy-agent@7 axios@1 got@14)
# What it needs from Debian's backports, unpacked beside what is installed: a curl with --proxy-http2.
NEWER_CLIENTS=(curl libcurl4)
# What it needs unpacked beside what is installed: Debian installs no second syslog daemon beside rsyslog.
BESIDE_CLIENTS=(syslog-ng-core libivykis0 libnet1 libwrap0)
# What clang's builds (sanitizers and fuzzers) and the lints need beside that.
PACKAGES_ALL=(clang-14 libclang-rt-14-dev llvm-14 clang-format-14 shellcheck)
# What tools/release needs beside what quickstart does.
PACKAGES_RELEASE=(debhelper dh-apparmor lintian apparmor mandoc systemd git binutils tzdata openssh-client)
# What tools/check has from npm, where npm is there; an exact version, because another one lays out differently.
NODE_CHECK=(@bazel/buildifier@8.2.1)
# What tools/test --long needs from npm: what judges whether a page can be used by everybody.
NODE_PAGE=(axe-core@4)
# What tools/test --long needs beside that: browsers, larger than all the rest.
PACKAGES_LONG=(chromium firefox-esr)

# elapsed prints the time since the script began, as minutes and seconds.
elapsed() {
    local seconds=$((SECONDS - STARTED))
    printf '%d:%02d' $((seconds / 60)) $((seconds % 60))
}

# say prints one line of talk with the time; step the same as a heading.
say() { printf '[%s] %s\n' "$(elapsed)" "$*"; }
step() { printf '\n[%s] == %s\n' "$(elapsed)" "$*"; }

# die prints why and ends the script.
die() {
    printf '\n%s: %s\n' "$(basename -- "$0")" "$*" >&2
    exit 1
}

# is_debian is true on the versions of Debian that the packages are listed for.
is_debian() {
    [[ -r /etc/os-release ]] || return 1
    # shellcheck source=/dev/null
    (. /etc/os-release && [[ "${ID:-}" == debian && "${VERSION_ID:-}" =~ ^(12|13)$ ]])
}

# missing_packages prints those of its arguments that are not installed.
missing_packages() {
    local package status
    for package in "$@"; do
        status="$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)"
        [[ "$status" == installed ]] || printf '%s\n' "$package"
    done
}

# install_packages installs those of its arguments that are missing, as root or by sudo.
install_packages() {
    local missing=() as_root=()
    if [[ -n "${SALLYPORT_SKIP_INSTALL:-}" ]]; then
        say "SALLYPORT_SKIP_INSTALL is set: not looking at what is installed"
        return
    fi
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        die "this is not a Debian system, and only Debian 12 and 13 are known to work. Needed are the
equivalents of these packages: $*
With all of them there, run again with SALLYPORT_SKIP_INSTALL=1."
    fi
    mapfile -t missing < <(missing_packages "$@")
    if ((${#missing[@]} == 0)); then
        say "all ${#} Debian packages that this needs are installed"
        return
    fi
    if ! is_debian; then
        die "this is neither Debian 12 nor 13, so nothing is installed for you. Missing here: ${missing[*]}
Install what corresponds to them; if names differ, run again with SALLYPORT_SKIP_INSTALL=1."
    fi
    if [[ "$(id -u)" != 0 ]]; then
        if ! command -v sudo >/dev/null; then
            die "packages are missing, and this is neither root nor is there sudo. As root, run:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
        fi
        as_root=(sudo)
        # Without a terminal nobody can type a password: fail rather than hang.
        [[ -t 0 ]] || as_root=(sudo -n)
    fi
    say "installing with apt: ${missing[*]}"
    # The lists may be there and fresh; only when that does not do are they fetched.
    if ! apt_install "${as_root[@]}"; then
        say "fetching apt's package lists first"
        "${as_root[@]}" env LC_ALL=C apt-get -q update ||
            die "apt-get update failed (see above): is a Debian mirror reachable?"
        apt_install "${as_root[@]}" ||
            die "apt could not install: ${missing[*]}. Its own words are above."
    fi
    quiet_services "${as_root[@]}"
    say "installed ${#missing[@]} packages"
}

# quiet_services AS_ROOT... turns off the server that one of the packages in `missing` has brought and started: the
# tests start their own, on ports of their own. One that was there before is left alone.
quiet_services() {
    local package
    [[ -d /run/systemd/system ]] || return 0
    for package in "${missing[@]}"; do
        case "$package" in
        nginx-light) "$@" systemctl disable --now nginx.service || true ;;
        rsyslog) "$@" systemctl disable --now rsyslog.service syslog.socket || true ;;
        haproxy) "$@" systemctl disable --now haproxy.service || true ;;
        prometheus) "$@" systemctl disable --now prometheus.service || true ;;
        esac
    done
}

# apt_install installs the caller's `missing`, with the command given in front (sudo, or nothing).
apt_install() {
    "$@" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o Dpkg::Use-Pty=0 -o APT::Cmd::Disable-Script-Warning=true \
        install --no-install-recommends "${missing[@]}" |
        sed -u -E '/^(Selecting|Preparing|\(Reading|Adding |update-alternatives|Processing|  )/d'
}

# npm_program NAME PACKAGE... prints the path of a program that npm has installed, now or earlier. Fails where there is no npm, or
# where npm cannot install it.
npm_program() {
    local name="$1" folder
    shift
    folder="$CACHE/npm-$(printf '%s' "$*" | tr -c 'A-Za-z0-9.' -)"
    if [[ ! -x "$folder/node_modules/.bin/$name" ]]; then
        command -v npm >/dev/null || return 1
        # Without a network it gives up at once, and by another it does not hold up a build.
        timeout 60 npm install --silent --no-audit --no-fund --fetch-retries=0 --prefix "$folder" "$@" >&2 || return 1
    fi
    [[ -x "$folder/node_modules/.bin/$name" ]] && printf '%s\n' "$folder/node_modules/.bin/$name"
}

# unpack_newer FOLDER PACKAGE... unpacks packages of Debian 12's backports into a folder, without installing them: programs
# that Debian 12 itself has only in an older version. From the mirror that apt uses.
unpack_newer() {
    local folder="$1" work mirror options package
    shift
    [[ -d "$folder" ]] && return 0
    # shellcheck disable=SC2016
    mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Codename: bookworm' \
        'Component: main' | head -n 1)"
    work="$(mktemp -d "${TMPDIR:-/tmp}/sallyport-newer.XXXXXX")"
    mkdir -p -- "$work/lists/partial" "$work/root"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm-backports main\n' "$mirror" \
        >"$work/sources"
    options=(-q -o "Dir::Etc::sourcelist=$work/sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::Cache::pkgcache=
        -o Dir::Cache::srcpkgcache= -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
    if (cd -- "$work" && apt-get "${options[@]}" update && apt-get "${options[@]}" download "$@") >&2; then
        for package in "$work"/*.deb; do
            dpkg-deb -x "$package" "$work/root"
        done
        mv -- "$work/root" "$folder"
    fi
    rm -rf -- "$work"
    [[ -d "$folder" ]]
}

# unpack_beside FOLDER PACKAGE... unpacks packages into a folder, without installing them and what they need.
unpack_beside() {
    local folder="$1" work package
    shift
    [[ -d "$folder" ]] && return 0
    work="$(mktemp -d "${TMPDIR:-/tmp}/sallyport-beside.XXXXXX")"
    mkdir -p -- "$work/root"
    if (cd -- "$work" && apt-get -q -o APT::Sandbox::User=root download "$@") >&2; then
        for package in "$work"/*.deb; do
            dpkg-deb -x "$package" "$work/root"
        done
        mv -- "$work/root" "$folder"
    fi
    rm -rf -- "$work"
    [[ -d "$folder" ]]
}

# disk_cache prints the folder for Bazel's disk cache. Bazel does not see the compilers, the system
# headers and the libraries as inputs, so their versions are in the folder's name.
disk_cache() {
    local versions
    versions="$(dpkg-query -W -f '${Package} ${Version}\n' \
        'gcc*' 'g++*' 'clang-14' 'binutils*' 'libc6-dev' 'linux-libc-dev' 'libstdc++*-dev' \
        'libgcc*-dev' 'libclang-rt-14-dev' libev-dev libc-ares-dev libyaml-dev libidn2-dev libjansson-dev libnghttp2-dev \
        libhiredis-dev libpsl-dev zlib1g-dev libcmocka-dev 2>/dev/null | sort | sha256sum | cut -c 1-12)"
    printf '%s/bazel-disk-%s\n' "$CACHE" "$versions"
}

# prune_disk_cache keeps the disk caches below 6 GiB: Bazel 4.2.3 never removes anything from them. Those of other
# versions go when nothing has used them for a week: a package more is another version, too.
prune_disk_cache() {
    local current folder
    current="$(disk_cache)"
    for folder in "$CACHE"/bazel-disk-*; do
        [[ -d "$folder" ]] || continue
        if [[ "$folder" != "$current" ]]; then
            [[ -n "$(find "$folder" -maxdepth 0 -mtime +6)" ]] || continue
            say "removing a build cache that nothing has used for a week: $folder"
            rm -rf -- "$folder"
        elif (($(du -sm -- "$folder" | cut -f 1) > 6144)); then
            say "emptying the build cache, it has grown beyond 6 GiB: $folder"
            # Out of the way at once: another build may be writing into it.
            mv -- "$folder" "$folder.old.$$" && rm -rf -- "$folder.old.$$"
        fi
    done
}

# Where the sandboxes of Bazel's actions are: in memory where there is room. On a disk, making and removing their links took two
# thirds of a build's time. Bazel's own choice is its output base.
SANDBOX=()
if [[ "$(stat -f -c %T /dev/shm 2>/dev/null)" == tmpfs && -w /dev/shm ]] &&
    (($(stat -f -c '%a * %S / 1048576' /dev/shm) >= 2048)); then
    SANDBOX=(--sandbox_base=/dev/shm)
fi

# bazel_configs prints the options that this Bazel needs, by its version.
bazel_configs() {
    local major
    major="$("$BAZEL" --version 2>/dev/null | sed -n 's/^bazel \([0-9]*\).*/\1/p')"
    ((${major:-0} >= 7)) || return 0
    printf -- '--config=bazel7\n'
    [[ ! -d /usr/share/bazel/tools/skylib ]] || printf -- '--config=bazel7-debian\n'
}

# bazel_in CONFIG COMMAND ARGUMENT... runs Bazel with a configuration: opt, clang, asan, tsan, fuzz, arm64; on the
# BoringSSL that SALLYPORT_BORINGSSL names, if it names one: a checkout, or `upstream` for --config=upstream.
# opt uses the output base that a plain `bazel` uses too; each of the others has its own, because
# switching the configuration within one rebuilds everything.
bazel_in() {
    local config="$1" command="$2" startup=() options=() boringssl disk
    shift 2
    if [[ "$config" != opt ]]; then
        startup+=("--output_base=$(output_base "$config")" --max_idle_secs=300)
    fi
    case "$command" in
    build | test | info)
        disk="$(disk_cache)"
        mkdir -p -- "$disk" && touch -- "$disk" # used today
        options+=("--disk_cache=$disk")
        if [[ "${SALLYPORT_BORINGSSL:-}" == upstream ]]; then
            options+=(--config=upstream "--distdir=$CACHE/sources")
        elif [[ -n "${SALLYPORT_BORINGSSL:-}" ]]; then
            boringssl="$("$ROOT/tools/boringssl" "$SALLYPORT_BORINGSSL")" || exit 1
            options+=("--override_repository=boringssl=$boringssl")
        fi
        [[ "$command" == info ]] || options+=("${SANDBOX[@]}")
        [[ -t 2 ]] || options+=(--show_progress_rate_limit=10)
        case "$config" in
        opt) options+=(-c opt) ;;
        # bazel-bin and its like stay those of the plain build.
        clang | arm64) options+=(-c opt "--config=$config" --symlink_prefix=/) ;;
        *) options+=("--config=$config" --symlink_prefix=/) ;;
        esac
        ;;
    esac
    case "$command" in
    build | test | info | query | run) mapfile -t -O "${#options[@]}" options < <(bazel_configs) ;;
    esac
    (cd -- "$ROOT" && "$BAZEL" "${startup[@]}" "$command" "${options[@]}" "$@")
}

# output_base prints where the build of a configuration other than opt lives, one for each checkout.
output_base() {
    printf '%s/bazel-%s-%s\n' "$CACHE" "$(printf '%s' "$ROOT" | sha256sum | cut -c 1-12)" "$1"
}
