from urllib.parse import parse_qs, urlsplit


def after_return(url: str) -> str:
    """What to show when a patient's browser arrives at your `return_url`."""
    came = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    if came.get("success") == "false":  # Direct Mode, not granted
        if came["error"] == "user_denied":
            return "You did not agree. Nothing was shared."
        return "That did not work. You can try again."
    # Show the patient something kind; believe the webhook, or ask GET /patient-flows/{id}. Anybody can type a URL.
    return f"Thank you. We are checking {came['patient_flow_id']}."


print(after_return("https://app.example/back?patient_id=volunteer-1&patient_flow_id=pf_01"))
print(
    after_return(
        "https://app.example/back?patient_id=volunteer-1&patient_flow_id=pf_01&success=false&error=user_denied"
    )
)
