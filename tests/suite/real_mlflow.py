"""Works MLflow's registry as tests/suite/real_mlflow.rs says: a command a line on stdin, an answer a line on stdout."""

import json
import os
import sys

import mlflow
import mlflow.artifacts
from mlflow import MlflowClient

client = MlflowClient()


class Model(mlflow.pyfunc.PythonModel):
    """A model that says how much it adds."""

    def __init__(self, term):
        self.term = term

    def predict(self, context, model_input):
        return [value + self.term for value in model_input]


def webhook(url, secret):
    events = ["model_version.created", "model_version_alias.created", "model_version_alias.deleted"]
    return client.create_webhook(name="rollbook", url=url, events=events, secret=secret).webhook_id


def log(name, term):
    mlflow.set_experiment("releases")
    with mlflow.start_run():
        info = mlflow.pyfunc.log_model(
            name="model", python_model=Model(int(term)), registered_model_name=name, pip_requirements=["mlflow"]
        )
    return info.registered_model_version


def download(name, version, directory):
    path = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}/{version}", dst_path=directory)
    os.remove(os.path.join(path, "registered_model_meta"))
    return path


def alias(name, alias, version):
    client.set_registered_model_alias(name, alias, version)


def unalias(name, alias):
    client.delete_registered_model_alias(name, alias)


def tags(name, version):
    return client.get_model_version(name, version).tags


def documents(*paths):
    """How many documents YAML files hold: PyYAML, which MLflow brings, reads them."""
    import yaml

    counts = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            counts.append(sum(isinstance(document, dict) for document in yaml.safe_load_all(file)))
    return counts


answers = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    command, *arguments = json.loads(line)
    print(json.dumps(globals()[command](*arguments)), file=answers, flush=True)
