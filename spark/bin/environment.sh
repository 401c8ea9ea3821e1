#!/usr/bin/env bash
# Make the environment: a Python 3.11 to 3.13, a Java 17 or newer, .venv from a hashed lock, and Spark's class-data archive.
# Usage: spark/bin/environment.sh LOCK      Safe to run again: what is there is kept.
set -euo pipefail

readonly LOCK=$1 VENV=.venv

log() { printf 'environment: %s\n' "$*" >&2; }
fail() { log "$*"; exit 1; }

# Debian and Ubuntu, as root: the only place where packages can be installed without asking.
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    log "installing $*"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

is_fitting_python() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if is_fitting_python "$candidate"; then echo "$candidate"; return; fi
    done
    fail "no Python 3.11, 3.12 or 3.13 on the PATH; install one, or name it: make run PYTHON=/path/to/python3"
}

make_venv() {
    [ -x "$VENV/bin/python" ] && is_fitting_python "$VENV/bin/python" && return
    local python; python=$(find_python)
    log "making $VENV with $("$python" --version)"
    rm -rf "$VENV"
    if ! "$python" -m venv "$VENV" 2>/dev/null; then  # Debian keeps ensurepip in a package of its own
        local package; package=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
        can_install || fail "$python cannot make environments; type: sudo apt-get install $package"
        apt_install "$package" && rm -rf "$VENV" && "$python" -m venv "$VENV"
    fi
}

install_packages() {
    log "installing the packages of $LOCK"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$LOCK"
    # setuptools is in the lock, so that building our own package downloads nothing.
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
}

java_version() { "$1" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1; }

ensure_java() {
    local java=${JAVA_HOME:+$JAVA_HOME/bin/}java found=none
    if command -v "$java" >/dev/null; then found=$(java_version "$java"); fi
    if [ "$found" != none ] && [ "${found:-0}" -ge 17 ]; then return; fi
    [ -z "${JAVA_HOME:-}" ] || fail "JAVA_HOME=$JAVA_HOME has Java $found and Spark needs 17 or newer; unset it or name another"
    can_install || fail "Spark needs Java 17 or newer, found: $found; type: sudo apt-get install openjdk-17-jre-headless (macOS: brew install openjdk@21)"
    apt_install openjdk-21-jre-headless 2>/dev/null || apt_install openjdk-17-jre-headless
}

ensure_java
make_venv
install_packages
"$VENV/bin/python" -m inferlab.jvm
