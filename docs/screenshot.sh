#!/bin/sh
# What `make screenshot` runs: a drill on the embedded lab, and a picture of its report page for the README.
# Needs a browser that takes pictures without a screen: CHROMIUM=name, default chromium.
set -eu
browser=${CHROMIUM:-chromium}
command -v "$browser" >/dev/null || { echo "no $browser here; install it, or set CHROMIUM" >&2; exit 2; }
DRCTL_HOME=$(mktemp -d)
export DRCTL_HOME
unset AWS_ENDPOINT_URL DRCTL_CONFIG
trap 'drctl lab down; rm -rf "$DRCTL_HOME"' EXIT

drctl lab up --speed 120
drctl provision
drctl failover --drill
page=$(ls -d "$DRCTL_HOME"/runs/*drill*)/report.html
"$browser" --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync \
    --disable-component-update --hide-scrollbars --user-data-dir="$DRCTL_HOME/browser" --window-size=1100,1560 \
    --screenshot="$PWD/docs/report.png" "file://$page" 2>/dev/null
