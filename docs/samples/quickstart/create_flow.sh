curl --silent --show-error --fail-with-body "$CONNECT_URL/patient-flows" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{
    "patient_id": "volunteer-1",
    "return_url": "http://127.0.0.1:3000/back",
    "return_button_label": "Trials"
  }'
