curl --silent --show-error --fail-with-body "$CONNECT_URL/sandbox/connections/$CONNECTION/advance" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --json '{"seconds": 3600}'
