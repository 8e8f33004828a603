"""What is measured of a peer: the same for all of them."""
import operator
import random
import sys

import kill
from points import Points

BATCH_POINTS = 1000
RANGE_POINTS = 1000
LOAD_CONNECTIONS = 4
SINGLE_CONNECTIONS = 32
READ_REPEATS = 5
POINT_READS_MAX = 1000
POINTS_PER_READ = 100  # a small run reads less often


class Settings:
    def __init__(self, points, repeats, kinds, programs):
        self.points = points
        self.repeats = repeats
        self.kinds = kinds
        self.programs = programs

    def streams(self, kind, count, points):
        """`count` streams that share the points."""
        return [Points(kind, stream, self.programs.data(kind, stream, points // count)) for stream in range(count)]


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def load_rate(peer, kind, streams, batch, repeats):
    """Points a second, each time into an empty database; the last one stays."""
    rates = []
    for _ in range(repeats):
        peer.fresh(kind, [points.stream for points in streams])
        rates.append(sum(map(len, streams)) / peer.load(streams, batch)["seconds"])
    return median(rates)


def random_ranges(points):
    chosen = random.Random(1)
    count = min(POINT_READS_MAX, len(points) // POINTS_PER_READ)
    firsts = [chosen.randrange(max(1, len(points) - RANGE_POINTS)) for _ in range(count)]
    return [(first, min(first + RANGE_POINTS, len(points))) for first in firsts]


def measure_reads(peer, points):
    whole = peer.read_whole(points, READ_REPEATS)
    ranges = random_ranges(points)
    back, truth = peer.read_back(points.stream), points.truth()
    return {"read_rate": len(points) / whole["seconds"], "read_bytes_rate": whole["received"] / whole["seconds"],
            "last_seconds": peer.read_last(points, len(ranges))["p50"],
            "range_seconds": peer.read_ranges(points, ranges)["p50"],
            "returned": len(back), **count_exact(back, truth)}


def count_exact(back, truth):
    """How many points came back as they were, and of how many the time, the value."""
    if len(back) != len(truth):
        return {"exact": 0, "exact_times": 0, "exact_values": 0}
    return {"exact": sum(map(operator.eq, back, truth)),
            "exact_times": sum(a[0] == b[0] for a, b in zip(back, truth)),
            "exact_values": sum(a[1] == b[1] for a, b in zip(back, truth))}


def measure_kind(peer, kind, settings):
    (whole,) = settings.streams(kind, 1, settings.points)
    results = {"load_1": load_rate(peer, kind, [whole], BATCH_POINTS, settings.repeats)}
    results["bytes_per_point"] = peer.settle() / len(whole)
    results.update(measure_reads(peer, whole))
    if peer.writers >= LOAD_CONNECTIONS:
        streams = settings.streams(kind, LOAD_CONNECTIONS, settings.points)
        results["load_4"] = load_rate(peer, kind, streams, BATCH_POINTS, settings.repeats)
    moved = peer.transfer(kind, settings.points)
    if moved:
        results["transfer"] = moved
    return results


def measure_singles(peer, settings):
    results = {"single_1": load_rate(peer, "G", settings.streams("G", 1, settings.points // 100), 1, settings.repeats)}
    if peer.writers >= SINGLE_CONNECTIONS:
        streams = settings.streams("G", SINGLE_CONNECTIONS, settings.points // 10)
        results["single_32"] = load_rate(peer, "G", streams, 1, settings.repeats)
    return results


def measure(peer, settings):
    results = {"kinds": {}}
    for kind in settings.kinds:
        if kind in peer.kinds:
            print(f"  {kind}", file=sys.stderr)
            results["kinds"][kind] = measure_kind(peer, kind, settings)
    print("  single points, kill", file=sys.stderr)
    results.update(measure_singles(peer, settings))
    streams = settings.streams("G", min(LOAD_CONNECTIONS, peer.writers), settings.points)
    results["kill"] = kill.measure(peer, streams, BATCH_POINTS)
    return results
