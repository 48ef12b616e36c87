#!/bin/sh
# Installs A2N: the programs, the systemd units, and starts the daemon.
#
#   sudo systemd/install.sh                   for the whole machine, below /usr/local
#   systemd/install.sh --user                 for yourself, below ~/.local; needs no root
#   systemd/install.sh [--user] uninstall     takes it away again; data stays
#
# Environment:
#   PREFIX    where programs and units go (default /usr/local, with --user ~/.local)
#   DESTDIR   a folder that stands for / (for packages): nothing is started
#   BINARIES  where a2nd, a2n-shim and a2n are (default: target/release in the source tree, else
#             bin beside this folder)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mode=system
what=install

say()  { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$1" >&2; [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2; exit 1; }

for word in "$@"; do
    case $word in
        --user) mode=user ;;
        --system) mode=system ;;
        install | uninstall) what=$word ;;
        -h | --help) sed -n '2,/^set /{/^#/{s/^# \{0,1\}//;p;};}' "$0"; exit 0 ;;
        *) fail "unknown word: $word" "see $0 --help" ;;
    esac
done

DESTDIR=${DESTDIR:-}
if [ -n "${BINARIES:-}" ]; then
    binaries=$BINARIES
else
    binaries=${CARGO_TARGET_DIR:-$here/../target}/release
    # An unpacked release has bin/ beside systemd/.
    if [ ! -x "$binaries/a2nd" ] && [ -x "$here/../bin/a2nd" ]; then
        binaries=$(cd "$here/../bin" && pwd)
    fi
fi

if [ "$mode" = user ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set" "with --user everything goes below it"
    PREFIX=${PREFIX:-$HOME/.local}
    units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
    ctl="systemctl --user"
    flag=" --user"
    # Without a user manager (a container, a bare su) there is nobody to start it.
    running() { [ -z "$DESTDIR" ] && systemctl --user show-environment >/dev/null 2>&1; }
else
    PREFIX=${PREFIX:-/usr/local}
    units=$PREFIX/lib/systemd/system
    ctl=systemctl
    flag=
    running() { [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; }
    if [ -z "$DESTDIR" ] && [ "$(id -u)" != 0 ]; then
        fail "installing for the whole machine needs root" "sudo $0, or $0 --user for yourself only"
    fi
fi
case $PREFIX in
    /*) ;;
    *) fail "PREFIX must begin with /: $PREFIX" ;;
esac
case $PREFIX in
    *[!A-Za-z0-9/._+-]*) fail "PREFIX has characters that a unit file would need quoted: $PREFIX" ;;
esac
bin=$PREFIX/bin
share=$PREFIX/share
scratch=

# pages PROGRAM: writes manual pages and completions into $scratch, as far as it can.
pages() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/man/man1" "$scratch/bash-completion/completions" \
        "$scratch/zsh/site-functions" "$scratch/fish/vendor_completions.d"
    "$1" man "$scratch/man/man1" >/dev/null 2>&1 || :
    "$1" completions bash >"$scratch/bash-completion/completions/a2n" 2>/dev/null || :
    "$1" completions zsh >"$scratch/zsh/site-functions/_a2n" 2>/dev/null || :
    "$1" completions fish >"$scratch/fish/vendor_completions.d/a2n.fish" 2>/dev/null || :
    find "$scratch" -type f -empty -delete
}

# put MODE FROM TO: replaces TO as a whole, so that a running program is not disturbed.
put() {
    mkdir -p "$(dirname "$DESTDIR$3")"
    cp "$2" "$DESTDIR$3.new"
    chmod "$1" "$DESTDIR$3.new"
    mv -f "$DESTDIR$3.new" "$DESTDIR$3"
    say "  $DESTDIR$3"
}

# put_unit FROM TO: the same with the programs' folder in ExecStart.
put_unit() {
    mkdir -p "$(dirname "$DESTDIR$2")"
    sed "s|^ExecStart=.*/bin/a2nd|ExecStart=$bin/a2nd|" "$1" >"$DESTDIR$2.new"
    chmod 0644 "$DESTDIR$2.new"
    mv -f "$DESTDIR$2.new" "$DESTDIR$2"
    say "  $DESTDIR$2"
}

take() {
    if [ -e "$DESTDIR$1" ]; then
        rm -f "$DESTDIR$1"
        say "  $DESTDIR$1"
    fi
}

install_all() {
    for program in a2nd a2n-shim a2n; do
        [ -x "$binaries/$program" ] ||
            fail "no program $program in $binaries" "cargo build --release, or say where: BINARIES=DIR $0"
    done
    say "Installing:"
    for program in a2nd a2n-shim a2n; do put 0755 "$binaries/$program" "$bin/$program"; done
    # Built later than the daemon; installed where it is there.
    if [ -x "$binaries/a2n-tui" ] && "$binaries/a2n-tui" --version >/dev/null 2>&1; then
        put 0755 "$binaries/a2n-tui" "$bin/a2n-tui"
    fi
    pages "$binaries/a2n"
    (cd "$scratch" && find . -type f) | while read -r page; do
        put 0644 "$scratch/$page" "$share/${page#./}" >/dev/null
    done
    say "  $DESTDIR$share (manual pages and completions)"
    if [ "$mode" = user ]; then
        put_unit "$here/user/a2nd.service" "$units/a2nd.service"
        put_unit "$here/user/a2nd.socket" "$units/a2nd.socket"
    else
        put_unit "$here/a2nd.service" "$units/a2nd.service"
        put_unit "$here/a2nd.socket" "$units/a2nd.socket"
        put 0644 "$here/sysusers.d/a2n.conf" "$PREFIX/lib/sysusers.d/a2n.conf"
        put 0644 "$here/tmpfiles.d/a2n.conf" "$PREFIX/lib/tmpfiles.d/a2n.conf"
    fi
    if ! running; then
        say ""
        [ -z "$DESTDIR" ] || { say "Nothing was started: DESTDIR is set."; return; }
        say "Nothing was started: systemd does not run here. To start it by hand: $bin/a2nd --$mode"
        return
    fi
    if [ "$mode" = system ]; then
        systemd-sysusers "$PREFIX/lib/sysusers.d/a2n.conf"
        systemd-tmpfiles --create "$PREFIX/lib/tmpfiles.d/a2n.conf"
    fi
    $ctl daemon-reload
    if [ "$mode" = user ]; then
        free_socket
    fi
    $ctl enable --quiet a2nd.socket a2nd.service ||
        fail "the units could not be enabled" "$ctl cat a2nd.service"
    $ctl start a2nd.socket ||
        fail "the socket did not come up" "$ctl status a2nd.socket"
    $ctl restart a2nd.service ||
        fail "the daemon did not come up" "journalctl$flag -u a2nd.service -n 20"
    say ""
    if [ "$mode" = user ]; then
        say "a2nd is running."
        linger
        case :$PATH: in
            *:"$bin":*) ;;
            *) say "Put $bin on your PATH to have the command a2n." ;;
        esac
    else
        say "a2nd is running, and starts with the machine."
        say "Only root can use it in this version; \`a2n quickstart\` starts a daemon of one's own."
    fi
    say "Try: a2n$flag health"
}

# A daemon of `a2n quickstart` holds the store: it makes way, the service goes on with the same data.
free_socket() {
    if ! $ctl --quiet is-active a2nd.service && "$bin/a2n" --user rpc system.ping >/dev/null 2>&1; then
        say "Stopping the daemon of a2n quickstart; the service goes on with its data."
        "$bin/a2n" quickstart --stop || fail "it did not stop" "stop it, then run $0 --user again"
    fi
}

linger() {
    # Asking again for what holds already may be refused.
    if loginctl enable-linger >/dev/null 2>&1 || [ -e "/var/lib/systemd/linger/$(id -un)" ]; then
        say "It starts with the machine and keeps running when you log out."
    else
        say "It starts when you log in and stops when you log out, until someone with the right does: loginctl enable-linger $(id -un)"
    fi
}

uninstall_all() {
    if running; then
        $ctl disable --now --quiet a2nd.service a2nd.socket 2>/dev/null || :
    fi
    say "Removing:"
    take "$units/a2nd.service"
    take "$units/a2nd.socket"
    if [ -x "$DESTDIR$bin/a2n" ]; then
        pages "$DESTDIR$bin/a2n"
        (cd "$scratch" && find . -type f) | while read -r page; do
            rm -f "$DESTDIR$share/${page#./}"
        done
        say "  $DESTDIR$share (manual pages and completions)"
    fi
    for program in a2nd a2n-shim a2n a2n-tui; do take "$bin/$program"; done
    if [ "$mode" = system ]; then
        take "$PREFIX/lib/sysusers.d/a2n.conf"
        take "$PREFIX/lib/tmpfiles.d/a2n.conf"
        kept="/var/lib/a2n, /etc/a2n, /var/log/a2n and the account a2n"
    else
        kept="${XDG_STATE_HOME:-$HOME/.local/state}/a2n and ${XDG_CONFIG_HOME:-$HOME/.config}/a2n"
    fi
    if running; then
        $ctl daemon-reload
    fi
    say ""
    say "Kept: $kept"
}

"${what}_all"
