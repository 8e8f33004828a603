"""Results as JSON files, and the table made of them."""
import datetime
import json
import os
import subprocess

import programs

HEAD = ["peer", "synced before ack", "data", "batches of 1000, points/s: 1 / 4 connections", "single points/s: 1 / 32 connections",
        "whole stream as text, points/s (MB/s)", "last point / 1000 points, p50 ms", "bytes/point", "comes back",
        "kill -9: missing of acknowledged"]
LIMIT_POINTS_MAX = 1000000


def commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=programs.SOURCE, capture_output=True, text=True)
    return done.stdout.strip() or "no git"


def first_match(path, start):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(start)), "")


def limits(build, points):
    """The machine and what bench_limits says of it."""
    folder = os.environ.get("TMPDIR", "/tmp")
    disk = programs.run(["df", "--output=fstype", folder]).split()[-1]
    memory = int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 1e6
    rows = programs.run([os.path.join(build, "bench", "bench_limits"), str(min(points, LIMIT_POINTS_MAX))]).splitlines()
    machine = f"{os.cpu_count()} × {first_match('/proc/cpuinfo', 'model name') or os.uname().machine}, {memory:.0f} GB, {disk}, Linux {os.uname().release}"
    return {"machine": machine, "rows": rows, "date": datetime.date.today().isoformat()}


def read(folder):
    found = {}
    if folder and os.path.isdir(folder):
        for name in os.listdir(folder):
            if name.endswith(".json"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    found[name.removesuffix(".json")] = json.load(file)
    return found


def write(folder, name, results):
    if folder:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


def rate(number):
    if number is None:
        return "-"
    return f"{number / 1e6:.2f} M" if number >= 1e6 else f"{number / 1e3:.0f} k" if number >= 1e5 else f"{number / 1e3:.1f} k"


def milliseconds(seconds):
    return f"{seconds * 1e3:.3f}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def comes_back(kind, points):
    if kind["returned"] != points:
        return f"{kind['returned']} points of {points}"
    return "exactly" if kind["exact"] == points else f"lossy: {100 * (1 - kind['exact'] / points):.0f} % differ"


def killed(results):
    kill = results["kill"]
    text = f"{kill['missing']} of {kill['acknowledged']}"
    return text + (f", {kill['invented']} never sent" if kill["invented"] else "")


def kind_row(results, name, first):
    kind = results["kinds"].get(name)
    left = [results["peer"], results["synced"], name] if first else ["", "", name]
    if kind is None:
        return [*left, *["-"] * 6, ""]
    singles = f"{rate(results['single_1'])} / {rate(results.get('single_32'))}" if first else ""
    return [*left, f"{rate(kind['load_1'])} / {rate(kind.get('load_4'))}", singles,
            f"{rate(kind['read_rate'])} ({kind['read_bytes_rate'] / 1e6:.0f})",
            f"{milliseconds(kind['last_seconds'])} / {milliseconds(kind['range_seconds'])}",
            f"{kind['bytes_per_point']:.2f}", comes_back(kind, results["points"]), killed(results) if first else ""]


def peer_rows(results, kinds):
    if "failed" in results:
        return [[results["peer"], f"failed: {results['failed']}".replace("\n", " ").replace("|", "/"), *[""] * (len(HEAD) - 2)]]
    return [kind_row(results, name, place == 0) for place, name in enumerate(kinds)]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def transfer_lines(results):
    """What ConnectorDB alone does: folders of JSON."""
    parts = [f"{name}: {rate(kind['transfer']['import'])} / {rate(kind['transfer']['export'])}"
             for name, kind in results.get("kinds", {}).items() if "transfer" in kind]
    return ["", f"{results['peer']}, import / export of a folder with data.json (the whole command), points/s: {', '.join(parts)}."] if parts else []


def kill_lines(peers):
    parts = [f"{results['peer']} {results['kill']['unacknowledged']} points, {results['kill']['restart_seconds']:.2f} s"
             for results in peers if "kill" in results]
    return ["", f"After the kill: points that are there without having been acknowledged, and time until it answers again: {'; '.join(parts)}."]


def table(found, names):
    """Markdown: the table, then what belongs beside it."""
    peers = [found[name] for name in names]
    kinds = [kind for kind in "GKNE" if any(kind in results.get("kinds", {}) for results in peers)]
    lines = [line(HEAD), line(["---"] * len(HEAD))]
    for results in peers:
        lines += map(line, peer_rows(results, kinds))
    for results in peers:
        lines += transfer_lines(results)
    lines += kill_lines(peers)
    lines += ["", "Versions: " + ", ".join(f"{results['peer']} {results.get('version', '?')}" for results in peers) + "."]
    runs = sorted({f"{results['date']}, commit {results['commit']}, {results['points']} points, median of {results['repeats']} loads"
                   for results in peers})
    lines += ["", "Measured: " + "; ".join(runs) + "."]
    if "limits" in found:
        lines += ["", f"The machine's own limits ({found['limits']['machine']}):", "",
                  "| work | rate | MB/s | CPU | private memory | bytes/point |", line(["---"] * 6), *found["limits"]["rows"]]
    return "\n".join(lines)
