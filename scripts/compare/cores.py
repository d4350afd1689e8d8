"""The cores of this machine that a process may use, and one of them for each rank of either program."""
import os
import pathlib


def cores():
    """Of each core the CPUs (hardware threads) that this process may use, as a sorted list."""
    found = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        found.setdefault(siblings.read_text().strip() if siblings.exists() else str(cpu), []).append(cpu)
    return list(found.values())


def mpirun(ranks):
    """Command that starts what follows it on so many ranks, each on its core, as torch_bench.py's are.

    Open MPI's own binding will not do: by default it is to a core up to two ranks and to a NUMA node above, `--bind-to core` may
    be refused in a container, and it takes cores that `taskset` has excluded. With more ranks than cores nothing is bound.
    """
    found = cores()
    launch = ["mpirun", "-q", "-n", str(ranks), "--bind-to", "none"]
    if ranks > len(found):
        return [*launch, "--oversubscribe"]
    lists = " ".join(",".join(map(str, cpus)) for cpus in found)
    return [*launch, "bash", "-c", f'cores=({lists}); exec taskset -c "${{cores[OMPI_COMM_WORLD_LOCAL_RANK]}}" "$@"', "rank"]
