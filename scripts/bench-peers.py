#!/usr/bin/env python3
"""The training step of configs/mnist-cnn.yaml (batch 128, Adam, float32) against PyTorch's, interleaved A B A B.

Usage: bench-peers.py DLTOOL [ROUNDS]   with a Python that has torch (scripts/make-oracle.sh makes one: .venv-oracle)
Each round runs both programs with 1 and with 2 threads in processes of their own and takes each one's median step.
Printed per round: the best of 1 and 2 threads of each, and the ratio; at the end the median ratio with its range.
"""
import json
import os
import statistics
import subprocess
import sys

TORCH_STEP = r"""
import statistics, sys, time, torch
from torch import nn
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
                      nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
if sys.argv[2] == "channels_last":
    model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x = torch.rand(128, 1, 28, 28)
if sys.argv[2] == "channels_last":
    x = x.to(memory_format=torch.channels_last)
y = torch.randint(0, 10, (128,))
times = []
start = time.perf_counter()
while len(times) < 5 or time.perf_counter() - start < 5:
    t = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    times.append(time.perf_counter() - t)
print(statistics.median(times[2:]))
"""


def torch_step(threads: int) -> float:
    best = float("inf")
    for layout in ("contiguous", "channels_last"):
        out = subprocess.run([sys.executable, "-c", TORCH_STEP, str(threads), layout], check=True, capture_output=True, text=True)
        best = min(best, float(out.stdout))
    return best


def dltool_step(dltool: str, threads: int) -> float:
    command = [dltool, "bench", "configs/mnist-cnn.yaml", "--mode", "train", "--batch", "128", "--seconds", "5", "--threads", str(threads), "--json"]
    environment = dict(os.environ, DLTOOL_DATA=os.environ.get("DLTOOL_DATA", "data"))
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    return find_median(result)


def find_median(result: dict) -> float:
    """Seconds of the median step in bench's JSON."""
    case = result["cases"][0]
    return case["latency_seconds"]["p50"]


def main() -> None:
    dltool, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    ratios = []
    for number in range(1, rounds + 1):
        ours = min(dltool_step(dltool, t) for t in (1, 2))
        theirs = min(torch_step(t) for t in (1, 2))
        ratios.append(ours / theirs)
        print(f"round {number}: dltool {ours * 1e3:.1f} ms, PyTorch {theirs * 1e3:.1f} ms, ratio {ratios[-1]:.3f}", flush=True)
    print(f"ratio dltool / PyTorch: median {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}; below 1 dltool is faster")


if __name__ == "__main__":
    main()
