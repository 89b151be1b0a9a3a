curl --silent --show-error --fail-with-body "$CONNECT_URL/exports" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{"destination_id": "'"$DESTINATION"'"}'
