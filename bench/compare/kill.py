"""kill -9 during a load: is what was acknowledged still there? The kernel lives on, and with it the page cache, so that
only what a process keeps in its own memory can get lost: a power failure takes more. The load goes on for some seconds
before, at a pace that all but the slowest keep, so that what a peer writes in the background has its chance."""
import time

import programs

LOAD_SECONDS = 20.0
POINTS_PER_SECOND_LEAST = 50000  # with fewer points the load is shorter instead of slower
KILLED_AFTER = 0.75  # of all batches


def read_acknowledgements(loader, batches, kill):
    """Counts each connection's acknowledged batches; calls kill() when it is time. What comes after counts, too."""
    acknowledged = [0] * len(batches)
    enough = int(sum(batches) * KILLED_AFTER)
    for line in loader.stdout:
        connection, number = map(int, line.split())
        acknowledged[connection] = number + 1
        if sum(acknowledged) == enough:
            kill()
    return acknowledged


def compare(points, acknowledged, back):
    """(acknowledged and not there, there without an acknowledgement, there but never sent)"""
    truth = points.truth()
    there = dict(back)
    missing = sum(1 for micros, value in truth[:acknowledged] if there.get(micros) != value)
    unacknowledged = sum(1 for micros, value in truth[acknowledged:] if there.get(micros) == value)
    sent = dict(truth)
    invented = sum(1 for micros, value in back if sent.get(micros) != value)
    return missing, unacknowledged, invented + len(back) - len(there)


def measure(peer, streams, batch):
    peer.fresh("G", [points.stream for points in streams])
    points_in_all = sum(map(len, streams))
    seconds = min(LOAD_SECONDS, points_in_all / POINTS_PER_SECOND_LEAST)
    every_us = int(1e6 * seconds * batch * len(streams) / points_in_all)
    loader = peer.start_acknowledged_load(streams, batch, every_us)
    batches = [-(-len(points) // batch) for points in streams]
    try:
        acknowledged = read_acknowledgements(loader, batches, lambda: peer.kill(loader))
        failure = loader.communicate()[1]
    finally:
        loader.kill()
        loader.wait()
    if failure:
        raise programs.Failed(failure)
    started = time.monotonic()
    peer.restart()
    seconds = time.monotonic() - started
    counts = [compare(points, count * batch, peer.read_back(points.stream))
              for points, count in zip(streams, acknowledged)]
    missing, unacknowledged, invented = map(sum, zip(*counts))
    in_all = sum(min(count * batch, len(points)) for points, count in zip(streams, acknowledged))
    return {"acknowledged": in_all, "missing": missing, "unacknowledged": unacknowledged,
            "invented": invented, "restart_seconds": seconds, "pace": batch * len(streams) * 1e6 / every_us}
