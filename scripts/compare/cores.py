"""The cores of this machine that a process may use."""
import os
import pathlib


def one_cpu_a_core():
    """CPU numbers: of a core with several hardware threads the first. Open MPI has a slot for each of these, and no more."""
    taken, cpus = set(), []
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        if core not in taken:
            taken.add(core)
            cpus.append(cpu)
    return cpus
