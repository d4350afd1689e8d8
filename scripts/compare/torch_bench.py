"""One timed PyTorch run of one configuration: prints a JSON object. compare.py starts it; it is no program for users.

  torch_bench.py --model mlp --data DATA.h5 --checkpoint STEP0.h5 --batch 256 --mode solo|ddp [--compile] [--foreach|--fused]
                 [--channels-last] --seconds 3 [--losses 20]
"""
import argparse
import json
import os
import time

STARTED = time.time()

import h5py
import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

import models


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--batch", type=int, required=True, help="global batch")
    parser.add_argument("--mode", choices=["solo", "ddp"], required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--losses", type=int, default=0)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--foreach", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bucket-view", action="store_true")
    return parser.parse_args()


def read_data(args):
    """All batches as tensors in memory, in file order: PyTorch pays nothing for reading."""
    with h5py.File(args.data, "r") as file:
        x, y = np.asarray(file["/train/x"]), np.asarray(file["/train/y"])
    if args.model.startswith("gpt-"):
        return torch.from_numpy(x.astype(np.int64)), torch.from_numpy(y.astype(np.int64))
    if args.model.startswith("linear-"):
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.float32))
    images = torch.from_numpy(x.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
    if args.channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    return images, torch.from_numpy(y.astype(np.int64).reshape(-1))


def loss_of(args, output, y):
    if args.model.startswith("gpt-"):
        return F.cross_entropy(output.reshape(-1, output.shape[-1]), y.reshape(-1))
    if args.model.startswith("linear-"):
        return F.mse_loss(output, y)
    return F.cross_entropy(output, y)


def build(args):
    torch.manual_seed(0)
    model = models.make(args.model)
    models.load(model, args.checkpoint)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if args.mode == "ddp":
        dist.init_process_group("gloo")
        model = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=args.bucket_view)
    if args.model.startswith("linear-"):
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    else:
        kind = {"fused": True} if args.fused else {"foreach": True} if args.foreach else {"foreach": False}
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **kind)
    if args.compile:
        model = torch.compile(model)
    return model, optimizer


def main():
    args = arguments()
    ranks = int(os.environ.get("WORLD_SIZE", "1")) if args.mode == "ddp" else 1
    rank = int(os.environ.get("RANK", "0"))
    torch.set_num_threads(args.threads if args.mode == "solo" else 1)
    x, y = read_data(args)
    model, optimizer = build(args)
    batches = len(x) // args.batch
    mine = args.batch // ranks
    step_number = 0

    def step():
        nonlocal step_number
        first = step_number % batches * args.batch + rank * mine
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(args, model(x[first:first + mine]), y[first:first + mine])
        loss.backward()
        optimizer.step()
        step_number += 1
        return loss

    first_step = None
    losses = []
    for _ in range(max(10, args.losses)):
        loss = step().detach()
        if ranks > 1:
            dist.all_reduce(loss)
            loss /= ranks
        losses.append(float(loss))
        if first_step is None:
            first_step = time.time() - STARTED
    began, cpu = time.perf_counter(), time.process_time()
    count, flag = 0, torch.zeros(1)
    while True:
        step()
        count += 1
        if count % 10 == 0:
            flag[0] = time.perf_counter() - began > args.seconds
            if ranks > 1:
                dist.broadcast(flag, 0)
            if flag[0]:
                break
    seconds = time.perf_counter() - began
    if rank == 0:
        with open("/proc/self/smaps_rollup") as file:
            pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        print(json.dumps({"samples_per_second": count * args.batch / seconds, "steps": count, "seconds": seconds,
                          "losses": losses[:args.losses], "first_step_seconds": first_step, "pss_mib": pss / 1024,
                          "cpu_seconds_per_sample": (time.process_time() - cpu) * ranks / (count * args.batch)}))
    if ranks > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
