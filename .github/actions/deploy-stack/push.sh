#!/usr/bin/env bash
# Builds the image of this commit, pushes it, and waits for its scan; writes image=REPOSITORY@sha256:DIGEST for later steps.
# Given an image in GIVEN, or an image of this commit in the repository, it builds none.
set -euo pipefail

finish() {
  echo "image=$1" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
}

if [ -n "${GIVEN:-}" ]; then
  finish "$GIVEN"
  exit
fi

registry=${REPOSITORY%%/*}
name=${REPOSITORY#*/}
digest() {
  aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$GITHUB_SHA" \
    --query 'imageDetails[0].imageDigest' --output text
}

if ! digest 2>/dev/null; then
  aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
  # Lambda takes a single image, not an index with an attestation beside it.
  docker build --provenance=false --file Dockerfile.lambda --tag "$REPOSITORY:$GITHUB_SHA" .
  docker push "$REPOSITORY:$GITHUB_SHA"
fi
aws ecr wait image-scan-complete --repository-name "$name" --image-id "imageTag=$GITHUB_SHA"
# The counts are on the first page of the findings; of several pages, the text would have a line each.
# shellcheck disable=SC2016  # a literal of JMESPath
critical=$(aws ecr describe-image-scan-findings --repository-name "$name" --image-id "imageTag=$GITHUB_SHA" \
  --no-paginate --query 'imageScanFindings.findingSeverityCounts.CRITICAL || `0`' --output text)
if [ "$critical" != 0 ]; then
  echo "::error::The scan found $critical critical vulnerabilities."
  exit 1
fi
finish "$REPOSITORY@$(digest)"
