import os

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONNECT_KEY']}"


def changes(patient_id, cursor=None):
    """Yield (record, cursor) for every version that landed after `cursor`, oldest first."""
    while True:
        page = session.get(
            f"{os.environ['CONNECT_URL']}/patients/{patient_id}/records",
            params={"count": 100, "changes": "true", **({"starting_after": cursor} if cursor else {})},
            timeout=30,
        )
        page.raise_for_status()
        body = page.json()
        cursor = body["next_cursor"] or cursor
        for item in body["data"]:
            yield item, cursor
        if not body["has_more"]:
            return


kept = None
for item, kept in changes("volunteer-1"):  # noqa: B007
    resource = item["resource"]
    print(item["change"], resource["resourceType"], resource["id"])

# Next time, `changes("volunteer-1", kept)` yields only what landed since.
assert list(changes("volunteer-1", kept)) == []
