#!/usr/bin/env bash
# Tries a deployed stack out: smoke-test.sh STACK. The API is up, the function classifies a photo, and an uploaded one too.
set -euo pipefail

photo=examples/cat.jpg # a model that knows no cats may answer with any of its labels

output() {
  aws cloudformation describe-stacks --stack-name "$STACK" \
    --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}

expect() { # NAME JSON
  if ! jq --exit-status --argjson labels "$labels" '.label as $found | any($labels[]; . == $found)' <<<"$2" >/dev/null; then
    echo "::error::$1: $2"
    exit 1
  fi
  echo "$1: $2"
}

STACK=$1
health=$(curl --fail --silent --show-error --max-time 30 --retry 3 "$(output ApiUrl)/health")
echo "$health"
labels=$(jq --compact-output 'if any(.labels[]; . == "cat") then ["cat"] else .labels end' <<<"$health")

# Not by the API, which may take signed requests only.
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
base64 -w0 "$photo" | jq -R '{image: .}' >"$folder/payload.json"
aws lambda invoke --function-name "$(output ClassifyFunctionName):live" --cli-binary-format raw-in-base64-out \
  --payload "file://$folder/payload.json" "$folder/answer.json" >/dev/null
expect "direct invocation" "$(cat "$folder/answer.json")"

# A name of its own, so that no result of an earlier test is read.
key="smoke-test/$(date +%s).jpg"
uploads=$(output UploadBucketName)
aws s3api put-object --bucket "$uploads" --key "$key" --body "$photo" >/dev/null
result="$(output ResultsLocation)$uploads/$key.json"
for _ in $(seq 30); do
  if found=$(aws s3 cp "$result" - 2>/dev/null); then
    expect "upload" "$found"
    exit
  fi
  sleep 5
done
echo "::error::No result of s3://$uploads/$key after 150 s"
exit 1
