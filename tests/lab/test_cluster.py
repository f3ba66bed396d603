"""A comparison on a real Ray cluster of two nodes on this machine, one of which dies."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.runs import environment, run
from ganloss.lab import compare
from ganloss.lab.cluster import _packed, _unpack
from ganloss.runs.settings import GenerateSettings

RING = GenerateSettings(data="demo:ring", steps=60, snap=100, threads=1)
SCRIPT = """
import json, sys, threading, time
from dataclasses import replace
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from ganloss.lab import compare
from ganloss.runs.settings import GenerateSettings

out, kill = Path(sys.argv[1]), sys.argv[2] == "kill"
small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
cluster = Cluster(True, True, {**small, "num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(**small) for _ in range(2)]
settings = GenerateSettings(data="demo:ring", steps=int(sys.argv[3]), snap=100, threads=1,
                            out=str(out))

def kill_one():
    while len(list(out.glob("compare-*/runs/*/samples/000100.png"))) < 2:
        time.sleep(0.02)
    cluster.remove_node(nodes[0], allow_graceful=False)
    (out / "killed").touch()

if kill:
    threading.Thread(target=kill_one, daemon=True).start()
found = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, workers=2, where="ray")
limit = time.monotonic() + 60
while kill and sum(n["Alive"] for n in ray.nodes()) > 2 and time.monotonic() < limit:
    time.sleep(0.2)
print("ROWS", json.dumps([[r["job"], r["state"], r["score"], r["steps"]] for r in found]))
print("NODES", sum(n["Alive"] for n in ray.nodes()))
ray.shutdown()
cluster.shutdown()
"""


def on_ray(tmp_path: Path, *words: str) -> tuple[list[list[object]], int]:
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *words],
        env=environment() | {"RAY_DEDUP_LOGS": "0"}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    ours = [line for line in found.stdout.splitlines() if line.startswith(("ROWS ", "NODES "))]
    lines = dict(line.split(" ", 1) for line in ours)  # Ray prints lines of its own
    return json.loads(lines["ROWS"]), int(lines["NODES"])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_nodes_give_the_rows_of_this_machine_also_when_one_dies(tmp_path):
    settings = replace(RING, steps=500, out=str(tmp_path / "local"))
    local = compare(["ns", "hinge"], seeds=[0, 1], settings=settings, workers=2)
    wanted = [[r["job"], r["state"], r["score"], r["steps"]] for r in local]
    rows, nodes = on_ray(tmp_path / "ray", "kill", "500")
    assert rows == wanted
    assert (tmp_path / "ray" / "killed").exists()
    assert nodes == 2  # the head, and one of two
    logs = [path.read_text() for path in (tmp_path / "ray").rglob("log.txt")]
    assert len(logs) == 4
    assert any("resumed after step" in log for log in logs)


def test_without_ray_the_way_to_it_is_named(tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')")
    found = subprocess.run(
        [sys.executable, "-m", "ganloss", "compare", "--data", "demo:ring", "--losses", "ns,hinge",
         "--seeds", "0-1", "--steps", "5", "--on", "ray"],
        cwd=tmp_path, env=environment() | {"PYTHONPATH": str(tmp_path)}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 2
    assert "pip install 'ganloss[ray]'" in found.stderr


def test_a_run_that_comes_back_from_afar_is_all_but_its_checkpoints(tmp_path):
    made = run("train", "generate", "--data", "demo:ring", "--steps", "5", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    _unpack(_packed(folder), tmp_path / "back")
    for name in ("index.html", "metrics.jsonl", "samples/000005.png", "export/generator.json"):
        source = folder / name
        if source.exists():
            assert (tmp_path / "back" / name).read_bytes() == source.read_bytes()
    assert (tmp_path / "back" / "metrics.jsonl").exists()
    assert not list((tmp_path / "back").rglob("*.pt"))
