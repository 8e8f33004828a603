"""Results as JSON files, and the table made of them."""
import datetime
import json
import os
import subprocess

import programs

HEAD = ["peer", "synced before ack", "data", "batches of 1000, points/s: 1 / 4 connections",
        "single points/s: 1 / 32 connections", "whole stream as text, points/s (MB/s)",
        "last point / 1000 points, p50 ms", "bytes/point", "comes back", "kill -9: missing of acknowledged"]
LIMIT_POINTS_MAX = 1000000


def commit():
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=programs.SOURCE, capture_output=True)
    except FileNotFoundError:
        return "no git"
    return done.stdout.decode().strip() or "no git"


def first_match(path, start):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(start)), "")


def limits(build, points):
    """The machine and what bench_limits says of it."""
    folder = os.environ.get("TMPDIR", "/tmp")
    disk = programs.run(["df", "--output=fstype", folder]).split()[-1]
    memory = int(first_match("/proc/meminfo", "MemTotal").split()[0]) / 1e6
    rows = programs.run([os.path.join(build, "bench", "bench_limits"), str(min(points, LIMIT_POINTS_MAX))]).splitlines()
    processor = first_match("/proc/cpuinfo", "model name") or os.uname().machine
    machine = f"{os.cpu_count()} × {processor}, {memory:.0f} GB, {disk}, Linux {os.uname().release}"
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
    if number >= 1e6:
        return f"{number / 1e6:.2f} M"
    return f"{number / 1e3:.0f} k" if number >= 1e5 else f"{number / 1e3:.1f} k"


def milliseconds(seconds):
    return f"{seconds * 1e3:.3f}" if seconds < 0.1 else f"{seconds * 1e3:.0f}"


def comes_back(kind, points):
    if kind["returned"] != points:
        return f"{kind['returned']} points of {points}"
    if kind["exact"] == points:
        return "exactly"
    wrong = [f"{100 * (1 - kind['exact_' + name] / points):.0f} % of the {name}" for name in ("times", "values")
             if kind["exact_" + name] < points]
    return f"lossy: other {' and '.join(wrong)}"


def killed(results):
    kill = results["kill"]
    text = f"{kill['missing']} of {kill['acknowledged']}"
    if kill["missing"]:
        text += f" (the last {kill['missing'] / kill['pace']:.0f} s)"
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
        reason = f"failed: {results['failed']}".replace("\n", " ").replace("|", "/")
        return [[results["peer"], reason, *[""] * (len(HEAD) - 2)]]
    return [kind_row(results, name, place == 0) for place, name in enumerate(kinds)]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def paragraph(start, parts, separator):
    """An empty line and the text; nothing when there is nothing to say."""
    return ["", f"{start}: {separator.join(parts)}."] if parts else []


def transfer_lines(results):
    """What ConnectorDB alone does: folders of JSON."""
    parts = [f"{name}: {rate(kind['transfer']['import'])} / {rate(kind['transfer']['export'])}"
             for name, kind in results.get("kinds", {}).items() if "transfer" in kind]
    return paragraph(f"{results['peer']}, import / export of a folder of four data.json, the whole command, points/s",
                     parts, ", ")


def kill_lines(peers):
    parts = [f"{results['peer']} {results['kill']['unacknowledged']} points, {results['kill']['restart_seconds']:.2f} s"
             for results in peers if "kill" in results]
    return paragraph("After the kill: points that are there without having been acknowledged, and how long it takes "
                     "until the data can be read again", parts, "; ")


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
    versions = [f"{results['peer']} {results['version']}" for results in peers if "version" in results]
    lines += paragraph("Versions", versions, ", ")
    runs = {f"{results['date']}, commit {results['commit']}, {results['points']} points a data set, "
            f"median of {results['repeats']} loads" for results in peers}
    lines += paragraph("Measured", sorted(runs), "; ")
    if "limits" in found:
        lines += ["", f"The machine's own limits ({found['limits']['machine']}):", "",
                  "| work | rate | MB/s | CPU | private memory | bytes/point |", line(["---"] * 6),
                  *found["limits"]["rows"]]
    return "\n".join(lines)
