#!/bin/sh
# Writes all-in-one/ with the images of a registry to .build/manifests/.
#
#   manifests.sh REGISTRY TAG IMAGE…   REGISTRY may be empty: the images are on the nodes
set -eu
cd "$(dirname "$0")/../.."
registry=$1 tag=$2
shift 2
images=
for image; do images="$images{name: $image, newName: ${registry:+$registry/}$image, newTag: \"$tag\"}, "; done
mkdir -p .build/manifests
for file in all-in-one/*.yaml; do
  api/tools/kustomized.sh "$file" "images: [$images]" >".build/manifests/${file##*/}"
done
