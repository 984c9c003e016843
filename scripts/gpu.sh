#!/bin/sh
# One run of docs/gpu-runs.md, end to end, within --max-minutes:
#
#   scripts/gpu.sh --pack PHOTOS       once, where the photographs are: all that has to be carried goes to runs/carry
#   scripts/gpu.sh --rehearse codec    20 steps on this CPU, with the packages of the GPU machine alone
#   OUT=folder scripts/gpu.sh codec    there
#
# PYTHON is the interpreter to use (python3 by default).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/../src:$here/../runs/carry/site${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONPATH
exec "${PYTHON:-python3}" "$here/gpu.py" "$@"
