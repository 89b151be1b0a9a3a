curl --silent --show-error --fail-with-body "$CONNECT_URL/patient-flows" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --json '{
    "patient_id": "volunteer-1",
    "return_url": "https://app.example/back",
    "return_button_label": "Trials"
  }'
