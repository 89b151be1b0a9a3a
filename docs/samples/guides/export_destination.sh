curl --silent --show-error --fail-with-body "$CONNECT_URL/export-destinations" \
  --header "Authorization: Bearer $CONNECT_KEY" \
  --header "Content-Type: application/json" \
  --data '{"name": "warehouse", "kind": "folder", "settings": {"folder": "warehouse"}}'
