#!/usr/bin/env bash
# One step of a training run on a machine with a GPU: `bash models/mini/run_gpu.sh 1`, then 2, then 3.
#
# A step takes at most its seconds below, the check of the machine and the checkpoint included, and leaves in $OUT what
# the next one needs. README.md says what to carry and what comes back.
set -euo pipefail
began=$SECONDS
cd "$(dirname "$0")/../.."
step=${1:?step 1, 2 or 3}
out=${OUT:-.cache/mini/out}
data=${QRMINI_DATA:-.cache/mini/data}
# What came back from earlier steps, and where this machine keeps more of it while it stays.
carried=${QRMINI_CARRIED:-.cache/mini/gpu}
kept=${QRMINI_KEPT:-/tmp/qrmini}
model=${QRMINI_MODEL:-v2}
workers=${QRMINI_WORKERS:-12}
seconds=${QRMINI_SECONDS:-$([ "$step" = 3 ] && echo 450 || echo 540)}
smoke=${QRMINI_SMOKE:-25}
read -ra names <<<"none ${QRMINI_STAGES:-words lists finish}"
stage=${names[$step]}
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
mkdir -p "$out/$stage" "$kept"
mini() { python3 models/mini "$@"; }

python3 - <<'PY'
import torch, numpy, sys
print(sys.version.split()[0], "torch", torch.__version__, "numpy", numpy.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU")
PY
ls -la "$data" | head -3

source=()
if [ "$step" -gt 1 ]; then
  before=${names[$((step - 1))]}
  if [ -f "$kept/$before/full.pt" ]; then source=(--checkpoint "$kept/$before"); else source=(--checkpoint "$carried/$before"); fi
fi
common=(--data "$data" --stage "$stage" --model "$model" --workers "$workers" --threads 4 "${source[@]}")

# Does it run, and how fast? A step that cannot train ends here, after half a minute.
speed() { tail -n 1 "$1" | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["tokensPerSecond"])'; }
compile=off
if [ -f "$kept/compile" ]; then
  compile=$(cat "$kept/compile")
else
  timeout $((smoke + 65)) python3 models/mini train "${common[@]}" --output "$kept/smoke-off" --smoke "$smoke" --log-every 10
  if [ "${QRMINI_TRY_COMPILE:-1}" = 1 ] &&
    timeout 110 python3 models/mini train "${common[@]}" --output "$kept/smoke-on" --smoke 75 --log-every 10 --compile on; then
    off=$(speed "$kept/smoke-off/log.jsonl") on=$(speed "$kept/smoke-on/log.jsonl")
    echo "tokens per second: $off eager, $on compiled"
    [ "$on" -gt $((off * 5 / 4)) ] && compile=on
  fi
  echo "$compile" >"$kept/compile"
fi

# Loading, the last checkpoint and, in the last step, the validation take their part.
spare=${QRMINI_SPARE:-$([ "$step" = 3 ] && echo 90 || echo 25)}
minutes=$(python3 -c "print(round(($seconds - ($SECONDS - $began) - $spare) / 60, 2))")
mini train "${common[@]}" --output "$out/$stage" --minutes "$minutes" --compile "$compile" --log-every 50 --full "$kept/$stage"

if [ "$step" = 3 ]; then
  for mode in "" --independent; do
    timeout 60 python3 models/mini evaluate --checkpoint "$out/$stage" --data "$data" --queries "${QRMINI_QUERIES:-100}" --document-tokens 220 $mode |
      tee -a "$out/$stage/validation.jsonl" || echo "validation ended early"
  done
fi
ls -la "$out/$stage"
