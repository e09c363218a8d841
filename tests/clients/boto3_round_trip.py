"""boto3 against a gateway: a round trip of real files, then every corner of S3 that the SDK can reach.

    boto3_round_trip.py --endpoint URL --tree FOLDER --big-file FILE [--only SECTION ...]

Keys, region and CA come from AWS's usual environment variables. Prints one line per check and ends with
status 1 if any failed, after all have run. Each check has a bucket of its own.
"""

import argparse
import sys
import time
import traceback

from checks import conditions, copying, integrity, listing, multipart, objects, presigned, round_trip
from checks.context import Context

SECTIONS = {
    "round_trip": round_trip.CHECKS,
    "presigned": presigned.CHECKS,
    "objects": objects.CHECKS,
    "listing": listing.CHECKS,
    "conditions": conditions.CHECKS,
    "copying": copying.CHECKS,
    "multipart": multipart.CHECKS,
    "integrity": integrity.CHECKS,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--tree", required=True)
    parser.add_argument("--big-file", required=True)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()

    failed = []
    for section in arguments.only:
        for check in SECTIONS[section]:
            name = f"{section}.{check.__name__}"
            context = Context(arguments.endpoint, arguments.tree, arguments.big_file)
            started = time.monotonic()
            try:
                check(context)
                context.clean_up()
                outcome = "ok"
            except Exception:  # Whatever it was, the other checks still have something to say.
                failed.append(name)
                traceback.print_exc()
                outcome = "FAILED"
            print(f"{outcome:6} {name} ({time.monotonic() - started:.1f} s)", flush=True)
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
