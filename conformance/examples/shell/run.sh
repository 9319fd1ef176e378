#!/bin/sh
# Runs a command over the cases of a system, and prints the ids of those that come out otherwise.
#
#   sh run.sh classic node serve.mjs
#   RULES='5 7' sh run.sh classic node serve.mjs
#
# The command reads a request a line, and writes an answer a line. It needs jq 1.6 or later; before
# 1.7 jq rounds whole numbers beyond 2^53, so their cases are left out.
set -eu
suite=$(cd "$(dirname "$0")/../.." && pwd)
system=$1
shift
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# What this jq reads as something else: half of a surrogate pair, and perhaps large whole numbers.
beyond_jq='\\ud'
test "$(echo 9007199254740993 | jq .)" = 9007199254740993 ||
  beyond_jq="$beyond_jq|(^ *|\": )-?[0-9]{16,},?\$"
grep -lE "$beyond_jq" "$suite/$system"/*.json |
  sed 's|.*/|left out, for this jq cannot read it: |; s|\.json$||' >&2

# The other cases of the rules, each with its id, and with the presets where it asks for them.
grep -LE "$beyond_jq" "$suite/$system"/*.json | xargs jq -c \
  --slurpfile presets "$suite/presets.json" --arg rules "${RULES-}" --arg system "$system" '
  . + {id: input_filename | split("/")[-1] | rtrimstr(".json"), system: $system}
  | if .presets then .subscriptions = $presets[0] else . end
  | .rule as $rule
  | select($rules == "" or any($rules | splits(" +"); . == $rule))
' > "$work/cases"
test -s "$work/cases" || { echo "there are no such cases" >&2; exit 2; }

jq -c '{id, system, settings, input} + with_entries(select(.key == "subscriptions" or .key == "host"))' \
  "$work/cases" > "$work/requests"
"$@" < "$work/requests" > "$work/answers"

# What is compared of an output: problems and notes by place and code, words not at all.
jq -rn --slurpfile answers "$work/answers" '
  def findings: map([.path, .code]) | sort;
  def compared:
    {messageId, calls, track, delivered}
    + {skipped: has("skipped"), ignored: has("ignored"), raised: has("raised")}
    + {error: (.error // null | if . then .problems | findings else . end)}
    + {errors: [.errors[]? | [.subscription, (.problems | findings)]]}
    + {notes: (.notes // [] | findings)}
    + {returned: (.returned // {} | [.statusCode, .batchItemFailures])};
  ($answers | map({(.id): (.output // {})}) | add // {}) as $by_id
  | [inputs | {id, fits: ((.output | compared) == ($by_id[.id] // {} | compared))}]
  | (map(select(.fits | not).id)[], "\(map(select(.fits)) | length) of \(length) cases pass")
' "$work/cases" | tee "$work/report"
test "$(wc -l < "$work/report")" -eq 1
