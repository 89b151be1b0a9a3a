curl --silent --show-error --fail-with-body "$CONNECT_URL/webhooks" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --json '{"url": "'"$RECEIVER_URL"'", "events": ["*"]}'
