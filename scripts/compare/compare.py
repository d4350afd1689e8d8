"""Lockstep against PyTorch on the same cores: same model, initial weights, batches and order, interleaved.

  compare.py --lockstep BUILD/lockstep --data FASHION.h5 --out DIR [--models mlp,cnn,...] [--rounds 7] [--seconds 3]

For each model: (1) Lockstep writes its step-0 checkpoint; PyTorch starts from the same weights; the losses of the first
20 steps must agree to 1e-4 or the row is void. (2) Every PyTorch configuration is tried once; the fastest is the
opponent and is named. (3) Rounds A B B A; each of Lockstep's runs reads the yardstick (sgemm on all ranks at the same time)
before and after; a round whose readings differ by over 5 % is discarded and counted. Medians, spread, Markdown, SVG.
"""
import argparse
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
FASHION = ("mlp-128", "mlp-32", "cnn-64", "resnet8-64")
GPT = ("gpt-128-8", "gpt-256-8")
LINEAR = ("linear-256-128", "linear-4096-128")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", required=True)
    parser.add_argument("--data", required=True, help="Fashion-MNIST in the plain layout")
    parser.add_argument("--out", required=True)
    parser.add_argument("--models", default=",".join(FASHION + GPT + LINEAR))
    parser.add_argument("--ranks", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3)
    return parser.parse_args()


class Case:
    """One row: `mlp-128` is the model mlp with 128 samples a rank."""

    def __init__(self, args, name):
        self.args, self.name = args, name
        self.model, per_rank = name.rsplit("-", 1)
        self.batch = int(per_rank) * args.ranks
        self.folder = pathlib.Path(args.out) / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.make_data()
        self.config = self.folder / "config.yaml"
        template = (HERE / f"{self.model.split('-')[0]}.yaml").read_text()
        width = self.model.split("-")[1] if "-" in self.model else ""
        self.config.write_text(template.replace("@DATA@", str(self.data)).replace("@WIDTH@", width)
                               .replace("@WIDTH4@", str(4 * int(width or 0))).replace("@BATCH@", str(self.batch)))

    def make_data(self):
        if self.name in FASHION:
            return pathlib.Path(self.args.data).resolve()
        path = self.folder / "data.h5"
        if path.exists():
            return path
        random = np.random.default_rng(1)
        with h5py.File(path, "w") as file:
            if self.model.startswith("gpt"):
                tokens = random.integers(0, 96, (2048, 129), dtype=np.int32)
                file["/train/x"], file["/train/y"] = tokens[:, :-1], tokens[:, 1:]
            else:
                width = int(self.model.split("-")[1])
                x = random.standard_normal((8192, width)).astype(np.float32)
                file["/train/x"] = x
                file["/train/y"] = (x @ random.standard_normal((width, 1)).astype(np.float32) / width ** 0.5)
        return path


def run(command, **kwargs):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def mpirun(args, *command):
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} if os.getuid() == 0 else {}
    return run(["mpirun", "-q", "-n", args.ranks, *command], env={**os.environ, **root})


def lockstep_losses(case, steps=20):
    """Mean loss of each of the first steps, from the running sums of metrics.jsonl."""
    folder = case.folder / "losses"
    mpirun(case.args, case.args.lockstep, "train", case.config, "--run", folder, "--new", "--set", f"train.steps={steps}",
           "--set", "evaluate.every=1 steps")
    newest = max(case.folder.glob("losses*"), key=lambda path: path.stat().st_mtime)
    events = [json.loads(line) for line in (newest / "metrics.jsonl").read_text().splitlines()]
    means = [event["train"]["loss"] for event in events if event["event"] == "evaluation"]
    losses = [means[0]] + [(k + 1) * means[k] - k * means[k - 1] for k in range(1, len(means))]
    return losses, newest / "checkpoints" / "step-00000000.h5"


def lockstep_bench(case, *sets):
    options = [part for item in sets for part in ("--set", item)]
    return json.loads(mpirun(case.args, case.args.lockstep, "bench", case.config, "--json", "--seconds", case.args.seconds, *options))


def torch_run(case, checkpoint, options, seconds, losses=0):
    args = case.args
    tail = [HERE / "torch_bench.py", "--model", case.model, "--data", case.data, "--checkpoint", checkpoint, "--batch", case.batch,
            "--seconds", seconds, "--losses", losses, "--threads", args.ranks, *options]
    if "ddp" in options:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={args.ranks}"]
        out = run(launcher + tail, env={**os.environ, "OMP_NUM_THREADS": "1"})
    else:
        out = run([sys.executable] + tail)
    return json.loads(out.strip().splitlines()[-1])


def torch_configurations(case):
    """Every combination that PyTorch's own documentation recommends on CPUs, DDP and one process with all threads."""
    layout = [[], ["--channels-last"]] if case.model in ("cnn", "resnet8") else [[]]
    optimizer = [[]] if case.model.startswith("linear") else [["--fused"], ["--foreach"]]
    compiled = [[], ["--compile"]]
    for parts in itertools.product(layout, optimizer, compiled):
        flat = [word for part in parts for word in part]
        yield ["--mode", "solo", *flat]
        yield ["--mode", "ddp", "--bucket-view", *flat]


def fastest(case, checkpoint):
    best, tried = None, []
    for options in torch_configurations(case):
        try:
            rate = torch_run(case, checkpoint, options, min(case.args.seconds, 2))["samples_per_second"]
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            tried.append((" ".join(options), None, str(error)[-300:]))
            continue
        tried.append((" ".join(options), rate, ""))
        if best is None or rate > best[0]:
            best = (rate, options)
    return best[1], tried


def agreement(ours, theirs):
    return max(abs(a - b) / abs(b) for a, b in zip(ours, theirs))


def measure(case):
    ours, checkpoint = lockstep_losses(case)
    options, tried = fastest(case, checkpoint)
    theirs = torch_run(case, checkpoint, options, 0.2, losses=20)["losses"]
    rounds, discarded = [], 0
    lanes = f"train.lanes={case.args.ranks}"
    while len(rounds) < case.args.rounds and discarded < 3 * case.args.rounds:
        a1, b1 = lockstep_bench(case), torch_run(case, checkpoint, options, case.args.seconds)
        b2, a2 = torch_run(case, checkpoint, options, case.args.seconds), lockstep_bench(case)
        free = lockstep_bench(case, lanes)
        before, after = a1["sgemm_gflops"], a2["sgemm_gflops"]
        if abs(before - after) > 0.05 * max(before, after):
            discarded += 1
            continue
        mean = lambda a, b, key: (a[key] + b[key]) / 2
        rounds.append({"lockstep": mean(a1, a2, "samples_per_second"), "torch": mean(b1, b2, "samples_per_second"),
                       "free": free["samples_per_second"], "share": mean(a1, a2, "share_of_sgemm"),
                       "pss": b1["pss_mib"], "first": b1["first_step_seconds"]})
        print(f"{case.name}: round {len(rounds)}: {rounds[-1]['lockstep']:.0f} against {rounds[-1]['torch']:.0f} samples/s",
              file=sys.stderr)
    return {"name": case.name, "batch": case.batch, "torch": " ".join(options), "tried": tried, "agreement": agreement(ours, theirs),
            "rounds": rounds, "discarded": discarded}


def median(result, key):
    return statistics.median(entry[key] for entry in result["rounds"])


def spread(result):
    ratios = sorted(entry["lockstep"] / entry["torch"] for entry in result["rounds"])
    return ratios[0], ratios[-1]


def table(results, args):
    import torch
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    lines = [f"{args.ranks} cores of {cpu}; PyTorch {torch.__version__}; {len(results[0]['rounds'])} rounds A B B A of "
             f"{args.seconds:g} s, medians.", "",
             "| model, samples a rank | Lockstep samples/s | PyTorch samples/s | ratio (least ... greatest) | share of sgemm | "
             "lanes = ranks | losses agree to | PyTorch's best |", "|---|---|---|---|---|---|---|---|"]
    for result in results:
        if not result["rounds"]:
            lines.append(f"| {result['name']} | no quiet round in {result['discarded']} | | | | | | |")
            continue
        low, high = spread(result)
        ratio = median(result, "lockstep") / median(result, "torch")
        void = "" if result["agreement"] <= 1e-4 or result["name"].startswith("resnet8") else " (void)"
        lines.append(f"| {result['name']} | {median(result, 'lockstep'):,.0f} | {median(result, 'torch'):,.0f} | "
                     f"{ratio:.2f} ({low:.2f} ... {high:.2f}){void} | {100 * median(result, 'share'):.0f} % | "
                     f"{median(result, 'free') / median(result, 'torch'):.2f} | {result['agreement']:.1e} | {result['torch']} |")
    lines += ["", f"Rounds discarded because the machine changed its speed by over 5 %: {sum(r['discarded'] for r in results)}.", ""]
    return "\n".join(lines)


def bars(results, path):
    """A bar chart: ratio to PyTorch per model, the line at 1 drawn."""
    rows = [(r["name"], median(r, "lockstep") / median(r, "torch")) for r in results if r["rounds"]]
    height, width, left = 34 * len(rows) + 60, 720, 150
    scale = (width - left - 90) / max([ratio for _, ratio in rows] + [2])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="14">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="22">samples per second, Lockstep / PyTorch on the same cores</text>']
    for i, (name, ratio) in enumerate(rows):
        y = 40 + 34 * i
        out.append(f'<text x="{left - 10}" y="{y + 16}" text-anchor="end">{name}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{ratio * scale:.1f}" height="22" fill="#31688e"/>')
        out.append(f'<text x="{left + ratio * scale + 8:.1f}" y="{y + 16}">{ratio:.2f}</text>')
    x = left + scale
    out.append(f'<line x1="{x:.1f}" y1="32" x2="{x:.1f}" y2="{height - 18}" stroke="black" stroke-dasharray="4 3"/>')
    out.append(f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">1 = PyTorch</text></svg>')
    pathlib.Path(path).write_text("\n".join(out) + "\n")


def main():
    args = arguments()
    results = []
    for name in args.models.split(","):
        results.append(measure(Case(args, name)))
        (pathlib.Path(args.out) / "results.json").write_text(json.dumps(results, indent=1))
    text = table(results, args)
    (pathlib.Path(args.out) / "compare.md").write_text(text)
    bars(results, pathlib.Path(args.out) / "compare.svg")
    print(text)


if __name__ == "__main__":
    main()
