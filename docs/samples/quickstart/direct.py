import os

import requests

session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['CONNECT_KEY']}"
base = os.environ["CONNECT_URL"]

found = session.get(f"{base}/connections", params={"q": "plain portal", "limit": 1}, timeout=10).json()
source = found["data"][0]
flow = session.post(
    f"{base}/patient-flows",
    json={
        "patient_id": "volunteer-1",
        "connection_id": source["id"],  # the portal is known: no page of Connect is shown
        "return_url": "https://app.example/back",
    },
    timeout=10,
).json()
print(flow["url"])
