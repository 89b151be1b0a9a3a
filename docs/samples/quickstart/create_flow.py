import os

import requests

answer = requests.post(
    f"{os.environ['CONNECT_URL']}/patient-flows",
    headers={"Authorization": f"Bearer {os.environ['CONNECT_KEY']}"},
    json={
        "patient_id": "volunteer-1",
        "return_url": "http://127.0.0.1:3000/back",
        "return_button_label": "Trials",
    },
    timeout=10,
)
answer.raise_for_status()
print(answer.json()["url"])
