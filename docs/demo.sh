#!/bin/sh
# What `make demo` runs: both regions built, looked at, drilled and taken down again, on the embedded lab.
set -eu
DRCTL_HOME=${DRCTL_HOME:-.drctl/demo}
export DRCTL_HOME
unset AWS_ENDPOINT_URL DRCTL_CONFIG
trap 'drctl lab down' EXIT

step() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

step drctl lab up --speed "${DRCTL_SPEED:-60}"
step drctl provision
step drctl status
step drctl failover --drill
step drctl teardown
