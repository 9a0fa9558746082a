#!/bin/sh
# The most frequent letters, from the counts of the stage before.
set -eu
count=$(sed -n 's/.*"count": \([0-9]*\).*/\1/p' task.json)
tr -d '{}" ' < inputs/letters | tr ',' '\n' | sort -t: -k2,2nr -k1,1 | head -n "$count" > outputs/top.txt
echo "{\"top\": \"$(cut -d: -f1 outputs/top.txt | tr -d '\n')\"}" > outputs/values.json
