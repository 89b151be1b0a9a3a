"""What the site's generator does beside its own work: pages that nobody has written yet are left out of the menu, and
decision notes and commands are listed from what is there."""

from pathlib import Path

DOCS = Path(__file__).parent


def on_config(config):
    """Leave out menu entries without a file."""
    config.nav = _existing(config.nav)
    return config


def _existing(items: list) -> list:
    kept = []
    for item in items:
        title, target = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        if isinstance(target, list):
            target = _existing(target)
        elif not target.startswith("/") and not (DOCS / target).is_file():
            continue
        kept.append({title: target} if title else target)
    return kept
