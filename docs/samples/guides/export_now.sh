curl --silent --show-error --fail-with-body "$CONNECT_URL/exports" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --json '{"destination_id": "'"$DESTINATION"'"}'
