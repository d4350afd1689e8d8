"""Lockstep against PyTorch on the same cores: same model, initial weights, batches and order, interleaved. run.sh calls it.

A row goes through four pieces, each a process of its own that leaves a JSON file in OUT/ROW and is not done twice:
losses   Lockstep writes its step-0 checkpoint, PyTorch starts from it; the losses of 20 steps must agree to 1e-4
search   PyTorch's configurations, one choice after the other; the fastest is the opponent
rounds   A B F B A: Lockstep with its defaults, PyTorch, Lockstep with lanes = ranks. The yardstick, sgemm on all ranks at the
         same time, is read when a round begins and ends; a round whose readings differ by over 5 % is discarded and counted.
         The losses with which the opponent began must agree to 1e-4 as well (report.py)
costs    start-up to the first step, memory, and the loss against seconds since the programs were started

COMPARE_PREFIX in the environment is a command put before each piece, such as one that keeps other users off the machine.
"""
import argparse
import datetime
import functools
import itertools
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time

import cores
import report
from report import difference

HERE = pathlib.Path(__file__).resolve().parent
ROWS = ("mlp-128", "mlp-32", "cnn-64", "resnet8-64", "gpt-128-8", "gpt-256-8", "linear-256-128", "linear-4096-128")
LOSS_STEPS = 20
STEADY = 0.05  # of the yardstick, within a round
CHANCES = (1 / 2, 1 / 4, 1 / 8, 1 / 8)  # of the tokens that may follow a token, in GPT-mini's data
NOISE = 0.1  # variance, in linear regression's targets; what the columns explain has 1
FLOOR = {"gpt": -sum(p * math.log(p) for p in CHANCES), "linear": NOISE}  # the loss of a model that knows how the data were made
CURVE_SECONDS = {"gpt": 25}  # of the slower program; 5 for the others


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", default=[], help="of " + " ".join(ROWS))
    parser.add_argument("--lockstep", required=True, type=pathlib.Path, help="the program")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="Fashion-MNIST in the plain layout")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--ranks", type=int, default=len(cores.cores()), help="default: all cores of this process")
    parser.add_argument("--rounds", type=int, default=report.ROUNDS)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="2 rounds of a third of a second: does it run, not how fast")
    parser.add_argument("--piece-seconds", type=float, default=120, help="rounds go on in a new piece after this")
    parser.add_argument("--piece", choices=PIECES, help="do this alone")
    args = parser.parse_args()
    for row in args.rows:
        if row not in ROWS:
            parser.error(f"no row {row}: there are {' '.join(ROWS)}")
    args.rows, args.out = args.rows or list(ROWS), args.out.resolve()
    if args.quick:
        args.rounds, args.seconds = 2, 0.3
    return args


class Row:
    """`gpt-128-8` is the model gpt-128 with 8 samples a rank."""

    def __init__(self, args, name):
        self.args, self.name = args, name
        self.model, per_rank = name.rsplit("-", 1)
        self.kind, _, self.width = self.model.partition("-")
        self.batch = int(per_rank) * args.ranks
        self.folder = args.out / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.made, self.floor = self.kind in FLOOR, FLOOR.get(self.kind)
        self.data = self.folder / "data.h5" if self.made else args.data.resolve()
        self.config = self.folder / "config.yaml"

    def file(self, piece):
        return self.folder / f"{piece}.json"

    def read(self, piece):
        return json.loads(self.file(piece).read_text()) if self.file(piece).exists() else None

    def write(self, piece, value):
        whole = self.folder / "new.json"
        whole.write_text(json.dumps(value, indent=1))
        whole.rename(self.file(piece))

    def prepare(self):
        text = (HERE / f"{self.kind}.yaml").read_text()
        for word, value in (("@DATA@", self.data), ("@BATCH@", self.batch), ("@WIDTH@", self.width),
                            ("@WIDTH4@", 4 * int(self.width or 0))):
            text = text.replace(word, str(value))
        self.config.write_text(text)
        if self.made and not self.data.exists():
            self.make_data()

    def make_data(self):
        import h5py
        import numpy as np
        random = np.random.default_rng(1)
        with h5py.File(self.data, "w") as file:
            if self.kind == "gpt":
                tokens = random.integers(0, 96, (max(2048, self.batch), 129), dtype=np.int32)
                choices, follows = random.choice(len(CHANCES), tokens.shape, p=CHANCES), random.permutation(96)
                for t in range(1, 129):  # one of four tokens follows, others for each token; all are equally frequent
                    tokens[:, t] = follows[(tokens[:, t - 1] + choices[:, t]) % 96]
                file["/train/x"], file["/train/y"] = tokens[:, :-1], tokens[:, 1:]
            else:
                x = random.standard_normal((max(8192, self.batch), int(self.width)), dtype=np.float32)
                truth = random.standard_normal((int(self.width), 1), dtype=np.float32)
                noise = random.standard_normal((len(x), 1), dtype=np.float32) * np.float32(NOISE ** 0.5)
                file["/train/y"] = x @ truth / np.float32(int(self.width) ** 0.5) + noise
                # On other scales, so that descent finds some columns in hundreds of steps and others in ten thousands.
                file["/train/x"] = x * np.geomspace(1, 1 / 16, int(self.width), dtype=np.float32)

    def checkpoint(self):
        return self.folder / "losses" / "checkpoints" / "step-00000000.h5"


# ---- the two programs ----

def environment():
    """Without settings of OpenBLAS, which would hold down the yardstick."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} if os.getuid() == 0 else {}
    return {**ours, **root}


@functools.cache
def core_type(lockstep):
    """OPENBLAS_CORETYPE for Lockstep's processes, None where none is needed: on a CPU newer than its list OpenBLAS falls back to its
    oldest kernels, and a share of that yardstick would flatter both programs. `lockstep doctor` knows, and names the cure."""
    cure = re.search(r"OPENBLAS_CORETYPE=(\w+)", run([lockstep, "doctor"]))
    return cure and cure.group(1)


def lockstep_environment(row):
    core = core_type(row.args.lockstep)
    return {**environment(), "OPENBLAS_CORETYPE": core} if core else environment()


@functools.cache
def commit():
    """Of the tree that is measured now, "abc1234" or "abc1234-dirty"; None where there is no git."""
    git = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude=*"], cwd=HERE, capture_output=True, text=True, check=False)
    return git.stdout.strip() or None


def words(command):
    return [str(part) for part in command]


def run(command, env=None):
    done = subprocess.run(words(command), capture_output=True, text=True, env=env or environment(), check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(words(command))}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def mpirun(row):
    return [*cores.mpirun(row.args.ranks), row.args.lockstep]


def train(row, name, *settings):
    """Arguments of a training in a fresh run directory of that name."""
    shutil.rmtree(row.folder / name, ignore_errors=True)
    return ["train", row.config, "--run", row.folder / name, *(word for item in settings for word in ("--set", item))]


def bench(row, *settings):
    options = [word for item in settings for word in ("--set", item)]
    command = [*mpirun(row), "bench", row.config, "--json", "--seconds", row.args.seconds, *options]
    return json.loads(run(command, lockstep_environment(row)))


def mean_losses(events):
    """Mean loss of each interval between evaluations, from the running means since the epoch's begin that are logged.

    Of an interval in which an epoch begins it is that of its last epoch.
    """
    losses, sum_before, step_before, epoch_before = [], 0.0, 0, 0
    for event in events:
        epoch = int(event["epoch"] - 1e-9)
        first = event["step"] - round((event["epoch"] - epoch) * event["step"] / event["epoch"])
        if epoch != epoch_before:
            sum_before, step_before, epoch_before = 0.0, first, epoch
        total = event["train"]["loss"] * (event["step"] - first)
        losses.append((total - sum_before) / (event["step"] - step_before))
        sum_before, step_before = total, event["step"]
    return losses


def evaluations(path):
    lines = path.read_text().splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in events if event["event"] == "evaluation"]


class Torch:
    """A running torch_bench.py; `measure` may be called again and again."""

    def __init__(self, row, options, losses=10):
        self.command = torch_command(row, options, "--losses", losses)
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=environment(), start_new_session=True)
        self.messages = []
        threading.Thread(target=lambda: self.messages.extend(self.process.stderr), daemon=True).start()
        self.start = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{shlex.join(self.command)}\n{''.join(self.messages)[-4000:]}")
        return json.loads(line)

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


def torch_command(row, options, *more):
    return words([sys.executable, HERE / "torch_bench.py", "--model", row.model, "--data", row.data, "--checkpoint",
                  row.checkpoint(), "--batch", row.batch, "--ranks", row.args.ranks, "--started", time.time(), *options, *more])


# ---- pieces ----

def losses(row):
    """The row's losses in both programs, and how far PyTorch in one process is from PyTorch over DDP: rounding alone.

    Adam divides by the root of second moments near zero, so in the first steps rounding moves a weight by the whole rate;
    of networks with batch norm that shows in the losses, also between PyTorch and PyTorch. ResNet-8 is therefore checked
    by gradient descent, with batch norm over a lane in both programs; `whole`: over the batch in both, which is PyTorch as it
    comes.
    """
    row.prepare()
    lanes = max(8, 2 ** ((row.batch // 32).bit_length() - 1))
    part, descent = ([], [])
    if row.kind == "resnet8":
        part, descent = ["--lanes", lanes], ["optimizer={sgd: {learning_rate: 1e-3}}"]
    ours = lockstep_losses(row, *descent)
    theirs = torch_losses(row, [*part, *(["--descent"] if descent else ["--fused"])])
    result = {"lockstep": ours, "torch": theirs, "difference": difference(ours, theirs)}
    if row.kind == "resnet8":
        whole = [f"model.batch_norm_{i}.over=batch" for i in range(1, 10)]
        result["whole"] = difference(lockstep_losses(row, *descent, *whole), torch_losses(row, ["--descent"]))
    adam = torch_losses(row, [*part, "--fused"]) if descent else theirs
    spread = torch_losses(row, ["--ddp", "--fused", *("--lanes", lanes // row.args.ranks)[:len(part)]])
    return {**result, "rounding": difference(adam, spread), "adam": difference(lockstep_losses(row), adam)}


def lockstep_losses(row, *settings):
    command = [*mpirun(row), *train(row, "losses", f"train.steps={LOSS_STEPS}", "evaluate.every=1 steps", *settings)]
    run(command, lockstep_environment(row))
    return mean_losses(evaluations(row.folder / "losses" / "metrics.jsonl"))


def torch_losses(row, options):
    torch = Torch(row, options, LOSS_STEPS)
    torch.close()
    return torch.start["losses"]


def combinations(row):
    """First how the work is spread and laid out; then, around the best of these, one thing at a time."""
    layouts = [[], ["--channels-last"]] if row.kind in ("cnn", "resnet8") else [[]]
    return [[*mode, *layout, "--fused"] for mode in ([], ["--ddp", "--bucket-view"]) for layout in layouts]


def variations(row, best):
    without = [word for word in best if word != "--fused"]
    yield [*best, "--compile"]
    yield without
    yield [*without, "--foreach"]
    if "--ddp" in best:
        yield [word for word in best if word != "--bucket-view"]
    if row.kind == "gpt":
        yield [*best, "--plain-attention"]


def rate(row, options):
    try:
        torch = Torch(row, options)
    except RuntimeError as error:
        return {"options": options, "rate": 0, "error": str(error)[-1000:]}
    result = max(torch.measure(min(1, row.args.seconds))["samples_per_second"] for _ in range(2))
    torch.close()
    return {"options": options, "rate": result}


def search(row):
    """Goes on where a piece before has stopped, after --piece-seconds; `best` stands there when all have been tried."""
    tried, began = (row.read("search") or {"tried": []})["tried"], time.monotonic()

    def best_of(some):
        return max(some, key=lambda one: one["rate"])["options"]

    def out_of_time(candidates):
        for options in candidates:
            if options not in (one["options"] for one in tried):
                if time.monotonic() - began > row.args.piece_seconds:
                    return True
                tried.append(rate(row, options))
                row.write("search", {"tried": tried})
        return False

    first = combinations(row)
    if out_of_time(first) or out_of_time(variations(row, best_of(tried[:len(first)]))):
        return {"tried": tried}
    # What helped an eager or a compiled run alone is taken together as well.
    if "--compile" in best_of(tried) and out_of_time([[*best_of(one for one in tried if "--compile" not in one["options"]), "--compile"]]):
        return {"tried": tried}
    return {"best": best_of(tried), "eager": best_of(one for one in tried if "--compile" not in one["options"]), "tried": tried}


def one_round(row, torch):
    seconds = row.args.seconds
    a1, b1, free, b2, a2 = (bench(row), torch.measure(seconds), bench(row, f"train.lanes={row.args.ranks}"),
                            torch.measure(seconds), bench(row))

    def mean(key, one, two):
        return (one[key] + two[key]) / 2

    return {"lockstep": mean("samples_per_second", a1, a2), "torch": mean("samples_per_second", b1, b2),
            "free": free["samples_per_second"], "before": a1["sgemm_before"], "after": a2["sgemm_after"],
            "flops": a1["gflops"] * 1e9 / a1["samples_per_second"], "kernels": a1["kernels"], "lanes": a1["lanes"],
            "core_type": core_type(row.args.lockstep), "commit": commit(), "date": str(datetime.date.today()),
            "phases": a1["phases"], "lockstep_cpu": mean("cpu_seconds_per_sample", a1, a2),
            "torch_cpu": mean("cpu_seconds_per_sample", b1, b2)}


def steady(entry):
    return abs(entry["before"] - entry["after"]) <= STEADY * max(entry["before"], entry["after"])


def rounds(row):
    done = row.read("rounds") or {"kept": [], "discarded": []}
    began = time.monotonic()
    torch = Torch(row, row.read("search")["best"], LOSS_STEPS)
    done["torch"] = torch.start
    while not enough(row, done) and time.monotonic() - began < row.args.piece_seconds:
        entry = one_round(row, torch)
        done["kept" if steady(entry) else "discarded"].append(entry)
        row.write("rounds", done)
    torch.close()
    return done


def enough(row, done):
    return len(done["kept"]) >= row.args.rounds or len(done["discarded"]) >= 3 * row.args.rounds


def proportional_mebibytes(session):
    """PSS of each process of a session (pages shared by n processes count 1/n each), launchers left out."""
    sizes = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name, fields = (process / "stat").read_text().rsplit(")", 1)
            if int(fields.split()[3]) != session or name.endswith("(mpirun"):
                continue
            lines = (process / "smaps_rollup").read_text().splitlines()
        except (OSError, ValueError):
            continue
        sizes.append(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
    return sizes


def lockstep_memory(row):
    """Of the rank that takes most, while a benchmark runs."""
    command = words([*mpirun(row), "bench", row.config, "--seconds", 0.5])
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=lockstep_environment(row), start_new_session=True)
    peak = 0
    while child.poll() is None:
        sizes = proportional_mebibytes(child.pid)
        if len(sizes) == row.args.ranks:
            peak = max(peak, *sizes)
        time.sleep(0.05)
    return peak


def torch_memory(row, options):
    torch = Torch(row, options)
    torch.measure(0.3)
    peak = max(proportional_mebibytes(torch.process.pid))
    torch.close()
    return peak


def lockstep_start(row, launch):
    """Of a training of one step with both its checkpoints, until the program has ended: more than up to the first step."""
    command = [*launch, *train(row, "first", "train.steps=1")]
    env = lockstep_environment(row)  # what it asks is not in the time
    began = time.monotonic()
    run(command, env)
    return time.monotonic() - began


def torch_start(row, options):
    torch = Torch(row, options)
    torch.close()
    return torch.start["first_step_seconds"]


def lockstep_curve(row, points, every):
    """Points (seconds since the start of mpirun, mean loss). The first evaluation seen ties the run's clock to ours."""
    log = row.folder / "curve" / "metrics.jsonl"
    command = words([*mpirun(row), *train(row, "curve", f"train.steps={points * every}", f"evaluate.every={every} steps")])
    env = lockstep_environment(row)
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    offset = None
    while child.poll() is None and offset is None:
        time.sleep(0.002)
        if seen := evaluations(log):
            offset = time.monotonic() - began - seen[-1]["timing"]["seconds"]
    if child.wait() != 0:
        raise RuntimeError(f"{row.name}: the training for the loss curve failed")
    events = evaluations(log)
    return [(offset + event["timing"]["seconds"], loss) for event, loss in zip(events, mean_losses(events), strict=True)]


def curves(row, found):
    """Of Lockstep, of PyTorch's best configuration and of its best eager one, all with the same number of steps."""
    import h5py
    points, seconds = (10, 0.5) if row.args.quick else (50, CURVE_SECONDS.get(row.kind, 5))
    every = max(1, int(seconds * max(one["rate"] for one in found["tried"]) / row.batch / points))
    with h5py.File(row.data) as file:
        epoch = math.ceil(len(file["/train/x"]) / row.batch)
    if every > epoch:  # a point is the mean of the epoch that ends there
        every -= every % epoch

    def torch_curve(options):
        return json.loads(run(torch_command(row, options, "--curve", points, every)))

    result = {"Lockstep": lockstep_curve(row, points, every), "PyTorch": torch_curve(found["best"])}
    return result if found["eager"] == found["best"] else {**result, "PyTorch, eager": torch_curve(found["eager"])}


def costs(row):
    found = row.read("search")
    repeats = 1 if row.args.quick else 3
    return {
        "start": {"lockstep": statistics.median(lockstep_start(row, [row.args.lockstep]) for _ in range(repeats)),
                  "mpirun": statistics.median(lockstep_start(row, mpirun(row)) for _ in range(repeats)),
                  "torch": statistics.median(torch_start(row, ["--fused"]) for _ in range(repeats))},
        "memory": {"lockstep": lockstep_memory(row),
                   "torch": torch_memory(row, found["best"]), "ddp": torch_memory(row, ["--ddp", "--bucket-view", "--fused"])},
        "curves": curves(row, found),
    }


PIECES = {"losses": losses, "search": search, "rounds": rounds, "costs": costs}


def is_done(row, piece):
    done = row.read(piece)
    return done is not None and (piece != "search" or "best" in done) and (piece != "rounds" or enough(row, done))


def main():
    args = arguments()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(args.out / "inductor"))  # PyTorch compiles once, not in every process
    rows = [Row(args, name) for name in args.rows]
    if args.piece:
        for row in rows:
            row.write(args.piece, {**PIECES[args.piece](row), "commit": commit()})
        return
    if core := core_type(args.lockstep):
        print(f"OPENBLAS_CORETYPE={core} for Lockstep: this OpenBLAS does not know the CPU", file=sys.stderr, flush=True)
    for piece, row in itertools.product(PIECES, rows):
        while not is_done(row, piece):
            print(f"{row.name}: {piece}", file=sys.stderr, flush=True)
            options = ["--lockstep", args.lockstep, "--data", args.data, "--out", args.out, "--ranks", args.ranks, "--rounds",
                       args.rounds, "--seconds", args.seconds, "--piece-seconds", args.piece_seconds, *(["--quick"] if args.quick else [])]
            command = [sys.executable, HERE / "compare.py", row.name, "--piece", piece, *options]
            subprocess.run([*shlex.split(os.environ.get("COMPARE_PREFIX", "")), *words(command)], check=True)
    report.write(rows, args)


if __name__ == "__main__":
    main()
