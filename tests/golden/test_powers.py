"""codec/powers.c is what tools/generate-powers writes."""
import os
import subprocess
import sys

source = os.environ["CONNECTORDB_SOURCE_DIR"]
made = subprocess.run([sys.executable, "-B", os.path.join(source, "tools/generate-powers")],
                      check=True, capture_output=True).stdout
with open(os.path.join(source, "codec/powers.c"), "rb") as kept:
    if kept.read() != made:
        sys.exit("codec/powers.c differs from what tools/generate-powers writes: run it again")
print(f"{made.count(10)} lines compared")
