"""Where PyTorch spends a step, one thread, eager, fused Adam: the shares behind goals.md. Arguments as for compare.py.

For each row: the share of self time in products, convolutions, the optimizer and the rest; and the rate of products and
convolutions against sgemm on the same core, read before and after by `lockstep bench`.
"""
import json
import os
import sys

import torch

import compare
import torch_bench

CLASSES = {"products": ("addmm", "::mm", "bmm", "linear", "attention"), "convolutions": ("conv",), "optimizer": ("adam", "optimizer"),
           "batch norm": ("batch_norm",), "pooling": ("pool",)}


def kind_of(name):
    return next((kind for kind, words in CLASSES.items() if any(word in name.lower() for word in words)), "rest")


def shares(row, options):
    """Seconds of self time a step, by class."""
    sys.argv = ["torch_bench.py", *compare.torch_command(row, options)[2:]]
    torch_bench.load_libraries()
    trainer = torch_bench.Trainer(torch_bench.arguments(), 0)
    for _ in range(5):
        trainer.step()
    steps = 10
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for _ in range(steps):
            trainer.step()
    seconds = {}
    for event in profile.key_averages():
        kind = kind_of(event.key)
        seconds[kind] = seconds.get(kind, 0) + event.self_cpu_time_total / 1e6 / steps
    return seconds


def main():
    args = compare.arguments()
    args.ranks = 1
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in args.rows:
        row = compare.Row(args, name)
        ours = compare.bench(row, f"train.batch_size={row.batch}")
        work = shares(row, ["--fused", *(["--channels-last"] if row.kind in ("cnn", "resnet8") else [])])
        total, heavy = sum(work.values()), work.get("products", 0) + work.get("convolutions", 0)
        flops = ours["gflops"] / ours["samples_per_second"] * row.batch  # of a step, in GF
        print(json.dumps({"row": name, "step_ms": round(1e3 * total, 3), "shares": {k: round(v / total, 3) for k, v in work.items()},
                          "g": round(heavy / total, 3), "e": round(flops / heavy / ours["sgemm_gflops"], 3),
                          "sgemm": round(ours["sgemm_gflops"], 1), "lockstep_share": round(ours["share_of_sgemm"], 3)}), flush=True)


if __name__ == "__main__":
    main()
