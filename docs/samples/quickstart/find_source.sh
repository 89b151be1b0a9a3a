curl --silent --show-error --fail-with-body --get "$CONNECT_URL/connections" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --data-urlencode "q=plain portal" --data limit=1
