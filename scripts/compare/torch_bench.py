"""PyTorch's side of a row: trains from a Lockstep checkpoint, then measures as often as standard input asks for it.

First line of output: {"losses": of the first steps, "first_step_seconds": since --started}. Then for each line of input,
a number of seconds, one JSON object. compare.py starts it; it is no program for users. With --ddp it starts the other ranks.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import time

import cores


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint", required=True, help="Lockstep's, of step 0")
    parser.add_argument("--batch", type=int, required=True, help="global")
    parser.add_argument("--ranks", type=int, required=True, help="of --ddp; else threads")
    parser.add_argument("--started", type=float, default=time.time(), help="when the caller started this process")
    parser.add_argument("--losses", type=int, default=10, help="steps before the measurement whose losses are printed")
    parser.add_argument("--curve", type=int, nargs=2, metavar=("POINTS", "STEPS"), help="print (seconds, mean loss) after each so many steps")
    parser.add_argument("--lanes", type=int, default=1, help="batch norm over each of these parts of the batch")
    parser.add_argument("--descent", action="store_true", help="plain gradient descent in the place of Adam")
    parser.add_argument("--ddp", action="store_true")
    parser.add_argument("--bucket-view", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--foreach", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--plain-attention", action="store_true")
    return parser.parse_args()


def become_a_rank(args):
    """Returns this process's rank; rank 0 starts the others. One thread and one core each, the same that Lockstep's rank has."""
    if not args.ddp:
        return 0
    if "RANK" not in os.environ:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        os.environ.update(RANK="0", WORLD_SIZE=str(args.ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=port, OMP_NUM_THREADS="1")
        for rank in range(1, args.ranks):
            subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "RANK": str(rank)}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    rank = int(os.environ["RANK"])
    found = cores.cores()
    if args.ranks <= len(found):
        os.sched_setaffinity(0, found[rank])
    return rank


def load_libraries():
    """After become_a_rank, so that all ranks load them at the same time, on their own cores."""
    global torch, dist, F, h5py, np, models
    import h5py
    import numpy as np
    import torch
    import torch.distributed as dist
    import torch.nn.functional as F
    import models


class Trainer:
    """A model, its optimizer, and all batches as tensors in memory, in file order: PyTorch pays nothing for reading."""

    def __init__(self, args, rank):
        self.args, self.rank, self.ranks = args, rank, args.ranks if args.ddp else 1
        self.steps = 0
        torch.set_num_threads(1 if args.ddp else args.ranks)
        self.x, self.y = self.read_data()
        self.model = models.make(args.model, sdpa=not args.plain_attention)
        models.load(self.model, args.checkpoint)
        if args.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = self.make_optimizer()
        if args.ddp:
            dist.init_process_group("gloo")
            self.model = torch.nn.parallel.DistributedDataParallel(self.model, gradient_as_bucket_view=args.bucket_view)
        if args.compile:
            self.model = torch.compile(self.model)

    def read_data(self):
        with h5py.File(self.args.data, "r") as file:
            x, y = np.asarray(file["/train/x"]), np.asarray(file["/train/y"])
        if self.args.model.startswith("gpt-"):
            return torch.from_numpy(x.astype(np.int64)), torch.from_numpy(y.astype(np.int64))
        if self.args.model.startswith("linear-"):
            return torch.from_numpy(x), torch.from_numpy(y)
        images = torch.from_numpy(x.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
        if self.args.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return images, torch.from_numpy(y.astype(np.int64).reshape(-1))

    def make_optimizer(self):
        if self.args.descent:
            return torch.optim.SGD(self.model.parameters(), lr=1e-3)
        if self.args.model.startswith("linear-"):
            return torch.optim.SGD(self.model.parameters(), lr=1e-3, fused=self.args.fused, foreach=self.args.foreach)
        return torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=self.args.fused, foreach=self.args.foreach)

    def loss(self, x, y):
        parts = [self.model(part) for part in x.chunk(self.args.lanes)]
        output = parts[0] if len(parts) == 1 else torch.cat(parts)
        if self.args.model.startswith("linear-"):
            return F.mse_loss(output, y)
        return F.cross_entropy(output.reshape(-1, output.shape[-1]), y.reshape(-1))

    def step(self):
        mine = self.args.batch // self.ranks
        first = self.steps % (len(self.x) // self.args.batch) * self.args.batch + self.rank * mine
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.x[first:first + mine], self.y[first:first + mine])
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        return loss.detach()

    def mean_over_ranks(self, loss):
        if self.ranks > 1:
            dist.all_reduce(loss)
        return float(loss) / self.ranks

    def everywhere(self, value):
        """Rank 0's number on all ranks."""
        cell = torch.tensor([float(value)], dtype=torch.float64)
        if self.ranks > 1:
            dist.broadcast(cell, 0)
        return cell.item()

    def measure(self, seconds):
        """At least ten steps, and as many as fit; the number follows from the ten before. Samples/s, CPU seconds a sample."""
        began = time.perf_counter()
        for _ in range(3):
            self.step()
        steps = int(self.everywhere(max(10, seconds / ((time.perf_counter() - began) / 3))))
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(steps):
            self.step()
        self.everywhere(0)
        took, cpu = time.perf_counter() - began, torch.tensor(time.process_time() - cpu, dtype=torch.float64)
        if self.ranks > 1:
            dist.all_reduce(cpu)
        return {"samples_per_second": steps * self.args.batch / took, "steps": steps, "seconds": took,
                "cpu_seconds_per_sample": cpu.item() / (steps * self.args.batch)}

    def curve(self, points, every):
        """Points (seconds, mean loss of the steps since the last point, or of the last epoch's among them, as Lockstep logs it)."""
        curve, epoch = [], len(self.x) // self.args.batch
        for _ in range(points):
            losses = [self.step() for _ in range(every)]
            losses = losses[-1 - (self.steps - 1) % epoch:]
            mean = self.mean_over_ranks(sum(losses) / len(losses))
            curve.append((time.time() - self.args.started, mean))
        return curve


def main():
    args = arguments()
    rank = become_a_rank(args)
    load_libraries()

    def say(value):
        if rank == 0:
            print(json.dumps(value), flush=True)

    trainer = Trainer(args, rank)
    if args.curve:
        say(trainer.curve(*args.curve))
    else:
        losses = [trainer.mean_over_ranks(trainer.step())]
        first = time.time() - args.started
        losses += [trainer.mean_over_ranks(trainer.step()) for _ in range(args.losses - 1)]
        say({"losses": losses, "first_step_seconds": first, "version": torch.__version__,
             "capability": torch.backends.cpu.get_cpu_capability()})
        while seconds := trainer.everywhere((rank == 0 and sys.stdin.readline().strip()) or 0):
            say(trainer.measure(seconds))
    if args.ddp:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
