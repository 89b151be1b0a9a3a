curl --silent --show-error --fail-with-body --compressed \
  "$CONNECT_URL/patients/volunteer-1/records/\$export" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --output volunteer-1.ndjson
