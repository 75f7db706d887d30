#!/bin/sh
# What a review needs: every problem of the spec, and what it would change on the heads as they were found last.
#   check.sh FACTS COMMENT    FACTS: `haoscar observe -o FACTS`; COMMENT: where the plan goes, as Markdown
# On GitHub problems are annotations at their lines; elsewhere they are text with carets.
set -eu
facts=$1 comment=$2
if [ -n "${GITHUB_ACTIONS:-}" ]; then
    haoscar validate --format github .
else
    haoscar validate .
fi
haoscar plan . --via "facts:$facts" --format markdown >"$comment"
