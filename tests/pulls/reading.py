"""Reading records the way an integrator does."""


def pages_of(api, patient_id: str = "p-1", **parameters):
    """Every page of `GET /records`, following the cursor."""
    cursor = {}
    while True:
        answer = api.get(f"/patients/{patient_id}/records", {**parameters, **cursor})
        assert answer.status_code == 200, answer.content
        page = answer.json()
        yield page
        if not page["has_more"]:
            return
        cursor = {"starting_after": page["next_cursor"]}


def items_of(api, patient_id: str = "p-1", **parameters) -> list[dict]:
    return [item for page in pages_of(api, patient_id, **parameters) for item in page["data"]]


def records_of(api, patient_id: str = "p-1", **parameters) -> dict[str, dict]:
    """`Type/id` → resource, of everything the API gives of the patient."""
    resources = [item["resource"] for item in items_of(api, patient_id, **parameters)]
    return {f"{each['resourceType']}/{each['id']}": each for each in resources}
