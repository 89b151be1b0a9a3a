"""A worker in a process of its own, to be killed: `python -m tests.portals.engine.worker` refreshes what is due."""

import django

if __name__ == "__main__":
    django.setup()
    from portals import sweep

    sweep.refresh_due(round_seconds=5)
