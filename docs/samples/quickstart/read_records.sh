curl --silent --show-error --fail-with-body --get "$CONNECT_URL/patients/volunteer-1/records" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --data type=Observation,Condition --data count=5
