#!/usr/bin/env bash
# Start the Compose cluster and say where it is. Usage: compose.sh up [--profile gpu] | url
# What it adds to `docker compose up --wait`: this user's numbers, folders that the containers may write, and the address.
set -euo pipefail

log() { printf '%s\n' "$*" >&2; }
fail() { log "$*"; exit 2; }

check_docker() {
    command -v docker >/dev/null || fail "There is no docker. Install Docker Engine 25 or newer with Compose, or use make lab: the same without containers."
    docker info >/dev/null 2>&1 || fail "Docker does not answer. Start it, or let this user use it: sudo usermod -aG docker \$USER, and log in anew."
    docker compose version >/dev/null 2>&1 || fail "Docker has no Compose. Install the package docker-compose-plugin."
}

# From the environment, then from .env, then the default.
setting() {
    local name=$1 default=$2
    if [ -n "${!name:-}" ]; then echo "${!name}"; return; fi
    local line; line=$(grep -E "^$name=." .env 2>/dev/null | tail -n 1 || true)
    [ -n "$line" ] && echo "${line#*=}" || echo "$default"
}

# Containers never run as root: where only root is there, its folders are given to the lab's user.
choose_user() {
    local own_uid own_gid; own_uid=$(id -u); own_gid=$(id -g)
    [ "$own_uid" != 0 ] || { own_uid=1000; own_gid=1000; }
    LAB_UID=$(setting LAB_UID "$own_uid"); LAB_GID=$(setting LAB_GID "$own_gid")
    export LAB_UID LAB_GID
    if [ "$(id -u)" = 0 ]; then
        chown -R "$LAB_UID:$LAB_GID" "$(setting LAB_STORAGE ./share_storages)" "$(setting LAB_NOTEBOOKS ./notebooks)"
    fi
}

url() {
    local port token
    port=$(docker compose port jupyterlab 8888 2>/dev/null) || fail "JupyterLab does not run. Start it: make up"
    token=$(docker compose exec -T jupyterlab python /opt/lab/jupyterlab/start.py --token)
    echo "JupyterLab:   http://$port/lab?token=$token"
    echo "Spark's page: http://$(docker compose port spark-master 8080)"
}

up() {
    mkdir -p "$(setting LAB_STORAGE ./share_storages)"
    choose_user
    if [[ " $* " == *" gpu "* ]]; then LAB_GPU_SHARE=$(setting LAB_GPU_SHARE 0.25); export LAB_GPU_SHARE; fi
    if ! docker compose "$@" up --build --detach --wait; then
        docker compose logs --tail 5 samples >&2 || true
        fail "The cluster did not start. docker compose ps -a says which service, make logs says why."
    fi
    url
}

check_docker
case ${1:-} in
    up) shift; up "$@" ;;
    url) url ;;
    *) fail "Usage: compose.sh up|url" ;;
esac
