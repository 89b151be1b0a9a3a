import os

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONNECT_KEY']}"
base = os.environ["CONNECT_URL"]

found = session.get(f"{base}/connections", params={"q": "plain portal", "limit": 1}, timeout=10)
found.raise_for_status()
source = found.json()["data"][0]

made = session.post(
    f"{base}/patient-flows",
    json={
        "patient_id": "volunteer-1",
        "connection_id": source["id"],  # the portal is known: no page of Connect is shown
        "return_url": "http://127.0.0.1:3000/back",
    },
    timeout=10,
)
made.raise_for_status()
print(made.json()["url"])
