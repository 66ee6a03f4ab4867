#!/bin/sh
# kustomized.sh prints the output of "kustomize build" for a file or a folder of manifests. make installs kustomize in .build/.
#
#   kustomized.sh RESOURCE [LINE…]   adds each LINE to a kustomization.yaml, in which paths of the repository's files begin with ../../
set -eu
cd "$(dirname "$0")/../.."
rm -rf .build/overlay
mkdir -p .build/overlay
resource=$1
shift
printf '%s\n' "resources: [../../$resource]" "$@" >.build/overlay/kustomization.yaml
.build/kustomize build --load-restrictor LoadRestrictionsNone .build/overlay
