#!/bin/sh
# kustomized.sh prints the output of "kustomize build" for a file or a folder of manifests.
#
#   kustomized.sh RESOURCE [LINE…]   builds the file or folder RESOURCE with the LINEs in kustomization.yaml
#
# kustomized.sh writes each LINE to .build/overlay/kustomization.yaml, so a path in a LINE begins with ../../
set -eu
cd "$(dirname "$0")/../.."
rm -rf .build/overlay
mkdir -p .build/overlay
resource=$1
shift
printf '%s\n' "resources: [../../$resource]" "$@" >.build/overlay/kustomization.yaml
.build/kustomize build --load-restrictor LoadRestrictionsNone .build/overlay
