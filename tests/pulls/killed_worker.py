"""Workers to be killed: `python -m tests.pulls.killed_worker`.

For each line on its input a child is forked that pulls what is due until nothing is left; its pid is answered, and how it
ended. The parent has loaded everything and connects to nothing, so a new worker costs a fork. A worker looks away from
leases: the test knows that the one who held them is dead.
"""

import os
import sys
import traceback

import django

django.setup()

from django.utils import timezone  # noqa: E402

from pulls import run as run_module  # noqa: E402
from pulls.models import Pull  # noqa: E402
from pulls.run import run_pull  # noqa: E402


def work() -> None:
    run_module.BACKOFF_SECONDS = 0.01
    while open_ids := list(Pull.objects.filter(status__in=Pull.OPEN).values_list("pk", flat=True)):
        for pull_id in open_ids:
            Pull.objects.filter(pk=pull_id).update(leased_until=None, due_at=timezone.now())
            run_pull(pull_id)


def main() -> None:
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                work()
            except BaseException:  # noqa: BLE001 - whatever it was, the test is to see it
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
