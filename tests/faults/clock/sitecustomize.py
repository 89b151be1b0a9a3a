"""Python's hook at start: the process whose environment says so lives FAULTS_CLOCK_SECONDS from now."""

import os
import time

if os.environ.get("FAULTS_CLOCK_SECONDS"):
    import time_machine

    time_machine.travel(time.time() + float(os.environ["FAULTS_CLOCK_SECONDS"]), tick=True).start()
