curl --silent --show-error --fail-with-body "$CONNECT_URL/patients/volunteer-1/completeness" \
  --header "Authorization: Bearer $CONNECT_KEY"
