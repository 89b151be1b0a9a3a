curl --silent --show-error --fail-with-body "$CONNECT_URL/webhooks/$ENDPOINT/recover" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{"since": "2026-01-01T00:00:00Z"}'
