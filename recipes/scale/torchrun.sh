#!/usr/bin/env bash
# Starts one machine's ranks; run it on every machine with the same HEAD (address of the first) and its own NODE.
#   NODES=2 NODE=0 HEAD=10.0.0.1 DEVICES=8 recipes/scale/torchrun.sh --config recipe.yaml
set -euo pipefail
: "${NODES:?number of machines}" "${NODE:?number of this machine, from 0}" "${HEAD:?address of machine 0}" "${DEVICES:?devices of each}"
exec torchrun --nnodes="$NODES" --node-rank="$NODE" --nproc-per-node="$DEVICES" \
  --master-addr="$HEAD" --master-port="${PORT:-29500}" \
  -m rlframework.cli fit --trainer.num_nodes "$NODES" --trainer.devices "$DEVICES" "$@"
