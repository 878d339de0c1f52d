"""Reads and writes a notebook with nbformat, as Jupyter does it. Prints the medians as JSON."""

import json
import statistics
import sys
import time

import nbformat


def times(work):
    wall, cpu = [], []
    for _ in range(8):
        began, used = time.perf_counter(), time.process_time()
        work()
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    return statistics.median(wall), statistics.median(cpu)


def main(path):
    read_ms, _ = times(lambda: nbformat.read(path, as_version=4))
    notebook = nbformat.read(path, as_version=4)
    write_ms, write_cpu_ms = times(lambda: nbformat.write(notebook, path + ".written"))
    print(json.dumps({"read_ms": read_ms, "write_ms": write_ms, "write_cpu_ms": write_cpu_ms}))


main(sys.argv[1])
