#!/usr/bin/env python3
"""Registers an MLflow model version in a Rollbook ledger, by the digest of its files.

It downloads the version's artifacts, has `rollbook register` digest and record them, and tags the version in MLflow
with the entry's index, its leaf hash and the model's digest: whoever finds the version there finds the entry.
Run again, it is answered with the first receipt, and sets the same tags.

    MLFLOW_TRACKING_URI=http://127.0.0.1:5000 ROLLBOOK_LEDGER=ledger ROLLBOOK_KEY=registrar.key \\
        python3 mlflow_register.py credit-scorer 3

Needs the packages `mlflow` (or `mlflow-skinny`), and `rollbook` on the PATH or in ROLLBOOK.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import mlflow.artifacts
from mlflow import MlflowClient


def rollbook(*arguments: str) -> dict:
    """Runs the program, which answers with one JSON object."""
    command = [os.environ.get("ROLLBOOK", "rollbook"), "--json", *arguments]
    answer = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if answer.returncode != 0:
        sys.exit(f"rollbook ended with exit code {answer.returncode}: {answer.stdout.strip()}")
    return json.loads(answer.stdout)


def register(client: MlflowClient, model: str, version: str) -> dict:
    """Records the version, and gives the receipt."""
    source = client.get_model_version(model, version).source
    # MLflow's own place in the tree of the artifacts is no part of the model: each download has a directory of its own.
    with tempfile.TemporaryDirectory() as directory:
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=f"models:/{model}/{version}", dst_path=directory, tracking_uri=client.tracking_uri
        )
        # A download adds this file, which says where it came from: the version's own files have none.
        added = os.path.join(path, "registered_model_meta")
        if os.path.exists(added):
            os.remove(added)
        event_id = f"mlflow/{client.tracking_uri}/{model}/{version}"
        return rollbook("register", model, version, "--path", path, "--uri", source, "--event-id", event_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="the registered model's name")
    parser.add_argument("version", help="the version's number")
    arguments = parser.parse_args()
    client = MlflowClient()
    receipt = register(client, arguments.model, arguments.version)
    entry = rollbook("show", str(receipt["index"]))
    tags = {
        "rollbook.index": str(receipt["index"]),
        "rollbook.leaf_hash": receipt["leaf_hash"],
        "rollbook.digest": "sha256:" + entry["event"]["body"]["digest"]["root"],
    }
    for name, value in tags.items():
        client.set_model_version_tag(arguments.model, arguments.version, name, value)
    print(json.dumps(tags))


if __name__ == "__main__":
    main()
