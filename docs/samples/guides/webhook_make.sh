curl --silent --show-error --fail-with-body "$CONNECT_URL/webhooks" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{"url": "'"$RECEIVER_URL"'", "events": ["*"]}'
