#!/bin/sh
# Hands a webhook's delivery to the ledger: `mlflow`, `argocd` or `github` as the first argument, the body on stdin.
# Any small web server that runs a program can call it; the headers come in variables, see below.
#
# BODY_FILE   the file with the body, if that is not on stdin
# KEY         the key that passes reports on; it needs the roles for what they say
# OPTIONS     a file of further options, one a line, such as `--alias` and `champion=production`
# SECRET      the file with the secret that the sender was given; without it, nothing is checked
set -eu
sender=$1
: "${KEY:?}"

body=$(mktemp)
trap 'rm -f "$body"' EXIT
if [ -n "${BODY_FILE:-}" ]; then cat "$BODY_FILE" > "$body"; else cat > "$body"; fi

# Options of the command, one argument a line of the file.
set --
if [ -n "${OPTIONS:-}" ]; then
    while IFS= read -r option; do set -- "$@" "$option"; done < "$OPTIONS"
fi
if [ -n "${SECRET:-}" ]; then set -- "$@" --webhook-secret-file "$SECRET"; fi

code=0
case $sender in
mlflow)
    rollbook --key "$KEY" --lock-timeout 1m ingest mlflow "$body" --expires-in 30d "$@" \
        --header "X-MLflow-Delivery-Id: ${MLFLOW_DELIVERY_ID:-}" --header "X-MLflow-Timestamp: ${MLFLOW_TIMESTAMP:-}" \
        --header "X-MLflow-Signature: ${MLFLOW_SIGNATURE:-}" || code=$?
    ;;
argocd)
    rollbook --key "$KEY" --lock-timeout 1m ingest argocd "$body" --expires-in 30d "$@" || code=$?
    ;;
github)
    rollbook --key "$KEY" --lock-timeout 1m ingest github "$body" --expires-in 30d "$@" \
        --header "X-GitHub-Event: ${GITHUB_EVENT:-}" --header "X-Hub-Signature-256: ${GITHUB_SIGNATURE:-}" || code=$?
    ;;
*)
    echo "$0: mlflow, argocd or github?" >&2
    exit 2
    ;;
esac

# What was refused comes again no better, so it is answered as taken. What failed, or is set up wrongly, is not.
case $code in 0 | 1) exit 0 ;; *) exit "$code" ;; esac
