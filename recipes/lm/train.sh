#!/bin/sh
# Trains the language model that is shipped: recipes/lm/train.sh [DATA] [OUT]
set -eu
data=${1:-../shared/data}
out=${2:-runs/lm/lm.bin}
mkdir -p "$(dirname "$out")"
onoma lm train "$data/text/books.txt.xz" "$data/text/librispeech_train_clean_100.txt.xz" \
    -o "$out" --order 4 --prune 0,0,1,2 --vocab-min-count 2
