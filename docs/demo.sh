#!/bin/sh
# What `make demo` runs: both regions built, drilled while clients write, the active region killed, failed over, brought
# home, and everything taken down again, on the embedded lab.
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
step drctl lab traffic start
step drctl failover --drill
step drctl lab outage start --region us-east-1 --mode hang
step drctl failover --allow-data-loss 15m --yes
step drctl lab traffic status
step drctl lab outage end
step drctl failback
step drctl lab traffic status
step drctl lab traffic stop
step drctl teardown
printf '\nThe reports, as pages:\n'
ls "$DRCTL_HOME"/runs/*/report.html
