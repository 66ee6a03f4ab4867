#!/bin/sh
# Prints a file or folder of manifests as kustomize builds it. make installs kustomize in .build/.
#
#   kustomized.sh RESOURCE [LINE…]   adds each LINE to kustomization.yaml, from which the repository is ../..
set -eu
cd "$(dirname "$0")/../.."
rm -rf .build/overlay
mkdir -p .build/overlay
resource=$1
shift
printf '%s\n' "resources: [../../$resource]" "$@" >.build/overlay/kustomization.yaml
.build/kustomize build --load-restrictor LoadRestrictionsNone .build/overlay
