curl --silent --show-error --fail-with-body --get "$CONNECT_URL/events" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --data webhook_id="$ENDPOINT" --data after_sequence=1
