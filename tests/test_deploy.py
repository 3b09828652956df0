"""The files under `deploy/` hold to what matters: who can reach a service, what is pinned, where secrets are not."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from harness.cli import _parser
from harness.tracking.study_storage import StudyStorage

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
CLAIM, JOB = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text())
CLUSTER = JOB["spec"]["rayClusterSpec"]
PODS = [group["template"]["spec"] for group in (CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"])]
PAGE = (ROOT / "docs" / "execution.md").read_text()


def pinned(package: str) -> str:
    [version] = re.findall(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return version


def is_exact(image: str) -> bool:
    return re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)*$", image) is not None


# Compose


def test_every_port_is_published_on_the_loopback_alone():
    ports = [port for service in SERVICES.values() for port in service["ports"]]

    assert ports == ["127.0.0.1:5432:5432", "127.0.0.1:5000:5000"]


def test_every_image_has_an_exact_version():
    bases = re.findall(r"^FROM (\S+:\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    pods = [container["image"] for pod in PODS for container in pod["containers"]]

    assert all(is_exact(image) for image in (*(service["image"] for service in SERVICES.values()), *bases, *pods))
    assert not is_exact("postgres:latest")
    assert not is_exact("postgres")


def test_the_servers_password_stands_in_no_file_and_among_no_arguments():
    texts = {path: path.read_text() for path in DEPLOY.iterdir()}

    assert re.findall(r"^[^#].*", texts[DEPLOY / "env.example"], re.MULTILINE) == ["POSTGRES_PASSWORD="]
    for path, text in texts.items():
        assert not re.search(r"://\w+:(?!\$\{)[^@\s]+@", text), path
        assert not re.search(r"(?i)password[:=] *(?!\$\{)\w", text), path
        assert not re.search(r"(?i)token=[\"']?\w", text), path
    arguments = [word for service in SERVICES.values() for word in service.get("command", ())]
    assert not [word for word in arguments if "PASSWORD" in word or "://" in word]


def test_the_file_with_the_password_is_ignored_by_git():
    ignored = subprocess.run(["git", "check-ignore", "deploy/.env"], cwd=ROOT, check=False, capture_output=True)

    assert ignored.returncode == 0


def test_a_missing_password_stops_compose_with_what_to_do():
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?copy deploy/env")


def test_the_mlflow_server_executes_no_jobs_and_admits_known_hosts_alone():
    mlflow = SERVICES["mlflow"]

    assert mlflow["environment"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert "--allowed-hosts=localhost:5000,127.0.0.1:5000" in mlflow["command"]


def test_the_mlflow_server_is_that_of_the_constraints_and_waits_for_its_database():
    mlflow = SERVICES["mlflow"]

    assert mlflow["image"].partition(":")[2] == pinned("mlflow")
    assert mlflow["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert all("healthcheck" in service for service in SERVICES.values())


def test_every_database_that_an_address_names_is_made_at_the_first_start():
    made = set(re.findall(r"CREATE DATABASE (\w+)", (DEPLOY / "postgres.sql").read_text()))
    named = {SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"].rpartition("/")[2]}
    named |= set(re.findall(r"postgresql://[^\s/]+/(\w+)", PAGE))

    assert named == made == {"mlflow", "study"}


def test_what_a_service_keeps_lies_in_a_volume():
    assert SERVICES["postgres"]["volumes"][0] == "database:/var/lib/postgresql/data"
    assert SERVICES["mlflow"]["volumes"] == ["artifacts:/mlflow/artifacts"]
    assert "--artifacts-destination=/mlflow/artifacts" in SERVICES["mlflow"]["command"]
    assert set(COMPOSE["volumes"]) == {"database", "artifacts"}


def test_images_install_pinned_versions_and_do_not_run_as_root():
    text = (DEPLOY / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[2:]

    assert [re.findall(r"^USER (\w+)$", stage, re.MULTILINE)[-1:] for stage in stages] == [["winnow"], ["winnow"]]
    assert text.count("pip install") == text.count("--constraint /tmp/constraints.txt") == 2


# Slurm


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """An environment in which `srun` and `scontrol` note what they are told; `srun` sleeps, then ends with CODE."""
    told = f'echo "$@" > {tmp_path}/srun.told; echo $RAY_AUTH_MODE $RAY_AUTH_TOKEN > {tmp_path}/auth'
    srun = f"{told}; sleep ${{NAP:-0}}; exit $CODE"
    scontrol = f'echo "$@" >> {tmp_path}/scontrol.told; [ "$1" != show ] || printf "node7\\nnode8\\n"'
    for name, text in (("srun", srun), ("scontrol", scontrol)):
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "42", "CODE": "0"}
    return {**os.environ, **job, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


def submitted(environment: dict[str, str]) -> int:
    command = ["bash", DEPLOY / "slurm.sbatch", "sweeps/smoke.yaml"]
    return subprocess.run(command, env=environment, check=False, timeout=30).returncode


def test_a_job_starts_ray_on_all_nodes_and_the_sweep_on_the_first(tmp_path, cluster):
    code = submitted(cluster)

    ray, winnow = (tmp_path / "srun.told").read_text().split(" -- winnow ")
    options = _parser().parse_args(winnow.split())
    assert code == 0
    assert ray.endswith("ray symmetric-run --address node7:6379 --min-nodes 2")
    assert (options.executor, options.address, options.workers, options.gpus_per_run) == ("ray", "node7:6379", 16, 1.0)


def test_each_job_has_a_long_token_of_its_own(tmp_path, cluster):
    tokens = []
    for _ in range(2):
        submitted(cluster)
        tokens.append((tmp_path / "auth").read_text().split())

    assert [mode for mode, _ in tokens] == ["token", "token"]
    assert len({token for _, token in tokens}) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", token) for _, token in tokens)


def test_a_job_ends_with_the_code_of_its_sweep(cluster):
    assert submitted({**cluster, "CODE": "11"}) == 11


def test_a_job_whose_time_is_nearly_up_queues_itself_again_and_waits_for_its_sweep(tmp_path, cluster):
    command = ["bash", DEPLOY / "slurm.sbatch", "sweeps/smoke.yaml"]
    with subprocess.Popen(command, env={**cluster, "NAP": "2", "CODE": "143"}) as job:
        deadline = time.monotonic() + 20
        while not (tmp_path / "auth").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # until it waits

        job.send_signal(signal.SIGUSR1)

        assert job.wait(20) == 143
    assert (tmp_path / "scontrol.told").read_text().splitlines()[-1] == "requeue 42"


def test_a_job_without_a_sweep_file_says_how_to_submit_it(cluster):
    done = subprocess.run(
        ["bash", DEPLOY / "slurm.sbatch"], env=cluster, check=False, capture_output=True, text=True, timeout=30
    )

    assert done.returncode != 0
    assert "usage: sbatch deploy/slurm.sbatch SWEEP_FILE" in done.stderr


def test_a_job_asks_slurm_for_what_it_relies_on():
    asked = set(re.findall(r"^#SBATCH --(\S+)$", (DEPLOY / "slurm.sbatch").read_text(), re.MULTILINE))

    assert {"exclusive", "ntasks-per-node=1", "requeue", "signal=B:USR1@180"} <= asked


# Kubernetes


def test_a_ray_cluster_asks_for_a_token():
    assert CLUSTER["authOptions"] == {"mode": "token"}
    assert CLUSTER["rayVersion"] == pinned("ray")


def test_every_pod_has_the_shared_claim_where_the_sweep_works():
    options = _parser().parse_args(JOB["spec"]["entrypoint"].split()[1:])

    assert CLAIM["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in PODS:
        [volume] = [each for each in pod["volumes"] if each["name"] == "work"]
        assert volume["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
        [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "work"]
        for path in (options.file, options.results, options.reports):
            assert path.is_relative_to(mount["mountPath"])


def test_secrets_come_from_a_secret_and_reach_the_head_alone():
    head, worker = (pod["containers"][0] for pod in PODS)

    assert {entry["name"] for entry in head["env"]} == {"WINNOW_STUDY_STORAGE", "WINNOW_TRACKING_URI"}
    assert all(set(entry["valueFrom"]) == {"secretKeyRef"} for entry in head["env"])
    assert worker["env"] == []


def test_pods_are_no_root_and_all_of_one_image():
    containers = [pod["containers"][0] for pod in PODS]

    assert len({container["image"] for container in containers}) == 1
    assert all(pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"] for pod in PODS)
    assert all(container["securityContext"]["allowPrivilegeEscalation"] is False for container in containers)


def test_as_many_runs_are_handed_over_as_the_gpus_take():
    options = _parser().parse_args(JOB["spec"]["entrypoint"].split()[1:])
    gpus = sum(
        group["replicas"] * int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
        for group in CLUSTER["workerGroupSpecs"]
    )

    assert options.workers == gpus / options.gpus_per_run
    assert options.executor == "ray"


# The page


def test_the_page_names_every_file_and_no_other():
    named = set(re.findall(r"deploy/([\w.]+\w)", PAGE)) - {".env"}

    assert named == {path.name for path in DEPLOY.iterdir() if path.name not in {".env", "Dockerfile.dockerignore"}}


def test_every_command_of_the_page_is_one(monkeypatch):
    monkeypatch.setattr("harness.tracking.study_storage.StudyStorage._require_driver", lambda self: None)
    lines = re.findall(r"^(?:\w+=\S+ )*winnow (.+?)(?: +#.*)?$", PAGE, re.MULTILINE)

    options = [_parser().parse_args(line.split()) for line in lines]

    assert len(options) >= 4
    assert [StudyStorage(each.study_storage) for each in options if getattr(each, "study_storage", "")]
