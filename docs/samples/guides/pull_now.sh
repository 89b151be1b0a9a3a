curl --silent --show-error --fail-with-body --request POST \
  "$CONNECT_URL/patients/volunteer-1/connections/$CONNECTION/pull" \
  --header "Authorization: Bearer $CONNECT_KEY"
