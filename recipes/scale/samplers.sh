#!/usr/bin/env bash
# Starts one machine's samplers, one for each device: ports from 8000 on, their receivers' from 9000 on. Options go to
# `rlframework serve`. They end together: when one does, or at a signal.
#   MODEL=Qwen/Qwen3-0.6B ADDRESS=10.0.0.3 DEVICES=8 recipes/scale/samplers.sh --lora-rank 16
set -euo pipefail
: "${MODEL:?weights that the policy starts from}" "${ADDRESS:?name or number of this machine, for the ranks}" "${DEVICES:?devices}"
: "${RLFRAMEWORK_SERVE_TOKEN:?the ranks need the same one: openssl rand -hex 32}"
trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT
trap 'exit 143' TERM INT
for ((device = 0; device < DEVICES; device++)); do
  CUDA_VISIBLE_DEVICES=$device rlframework serve "$MODEL" --host 0.0.0.0 --address "$ADDRESS" --port $((8000 + device)) "$@" &
done
wait -n
