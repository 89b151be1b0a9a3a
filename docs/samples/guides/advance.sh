curl --silent --show-error --fail-with-body "$CONNECT_URL/sandbox/connections/$CONNECTION/advance" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{"seconds": 3600}'
