#!/bin/sh
# Writes all-in-one/ with the images of a registry to a folder.
#
#   manifests.sh FOLDER REGISTRY TAG IMAGE…   REGISTRY may be empty: the images are on the nodes; an IMAGE with a tag keeps it
set -eu
cd "$(dirname "$0")/../.."
out=$1 registry=$2 tag=$3
shift 3
images= new=
for image; do
  name=${image%%:*}
  case $image in *:*) newtag=${image#*:} ;; *) newtag=$tag ;; esac
  [ -z "$registry" ] || new=$registry/${name##*/}
  images="$images{name: $name, newName: ${new:-$name}, newTag: \"$newtag\"}, "
done
mkdir -p "$out"
for file in all-in-one/*.yaml; do
  api/tools/kustomized.sh "$file" "images: [$images]" >"$out/${file##*/}"
done
