"""A whole pretend portal: SMART authorisation server and FHIR R4 server, reached over HTTP only."""
