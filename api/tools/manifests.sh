#!/bin/sh
# manifests.sh copies all-in-one/ and the optional folders of k8s/ to FOLDER.
#
#   manifests.sh FOLDER REGISTRY TAG IMAGE…   sets the registry and the tag of each IMAGE
#
# If REGISTRY is empty, an image keeps its registry. An IMAGE with a tag keeps its tag.
set -eu
cd "$(dirname "$0")/../.."
out=$1 registry=$2 tag=$3
shift 3
images='' new=''
for image; do
  name=${image%%:*}
  case $image in *:*) newtag=${image#*:} ;; *) newtag=$tag ;; esac
  [ -z "$registry" ] || new=$registry/${name##*/}
  images="$images{name: $name, newName: ${new:-$name}, newTag: \"$newtag\"}, "
done
for file in all-in-one/*.yaml k8s/ha/*.yaml k8s/backup/*.yaml k8s/move/*.yaml k8s/monitoring/*.yaml; do
  to=$out/${file#*/}
  mkdir -p "${to%/*}"
  if grep -q ' image: ' "$file"; then
    api/tools/kustomized.sh "$file" "images: [$images]" >"$to"
  else
    cp "$file" "$to"
  fi
done
