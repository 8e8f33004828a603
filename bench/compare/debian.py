"""Packages of Debian, unpacked into a folder of ours instead of being installed: nothing is started, no user is made,
nothing is left behind, and root is not needed. What a package depends on is unpacked beside it unless installed."""
import glob
import os
import subprocess

UNPACK_SECONDS_MAX = 600


class Unavailable(Exception):
    """The packages cannot be had; the text says why."""


def run(*command, directory=None):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=UNPACK_SECONDS_MAX,
                          stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        complaints = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith("E:")]
        otherwise = f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}"
        raise Unavailable(complaints[0] if complaints else otherwise)
    return done.stdout


def missing_dependencies(packages):
    """What apt would install along with them."""
    plan = run("apt-get", "-s", "--no-install-recommends", "install", *packages)
    return {line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")}


def unpack(packages, folder):
    """Unpacks the packages into a folder of their own below `folder`. Returns that and the first one's version."""
    if not packages:
        return None, None
    root = os.path.join(folder, packages[0])
    version_file = root + ".version"
    if not os.path.exists(version_file):
        download = root + ".download"
        os.makedirs(download, exist_ok=True)
        run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
            *sorted(set(packages) | missing_dependencies(packages)), directory=download)
        for package in glob.glob(os.path.join(download, "*.deb")):
            run("dpkg", "-x", package, root)
            os.unlink(package)
        os.rmdir(download)
        policy = run("apt-cache", "policy", packages[0])
        candidate = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
        with open(version_file, "w", encoding="ascii") as file:
            file.write(candidate)
    with open(version_file, encoding="ascii") as file:
        return root, file.read()


def environment(root):
    """With the unpacked libraries found first."""
    libraries = [os.path.dirname(path) for path in glob.glob(os.path.join(root, "usr/lib/*-linux-gnu*/*.so*"))]
    return {**os.environ, "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": ":".join(sorted(set(libraries)))}
