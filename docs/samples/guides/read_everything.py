import os

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONNECT_KEY']}"


def pages(patient_id, cursor=None):
    """What landed after `cursor`, oldest first, a page at a time, each with the cursor that comes after it."""
    more = True
    while more:
        answer = session.get(
            f"{os.environ['CONNECT_URL']}/patients/{patient_id}/records",
            params={"count": 100, "changes": "true", "starting_after": cursor},
            timeout=30,
        )
        answer.raise_for_status()
        page = answer.json()
        cursor, more = page["next_cursor"] or cursor, page["has_more"]
        yield page["data"], cursor


kept = None
for items, cursor in pages("volunteer-1", kept):
    for item in items:
        print(item["change"], item["resource"]["resourceType"], item["resource"]["id"])
    kept = cursor  # in your database, in the transaction that stores the page

# Next time there is only what landed since.
assert list(pages("volunteer-1", kept)) == [([], kept)]
