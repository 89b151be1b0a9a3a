"""Copies of records in an organisation's own places: S3-compatible buckets, FHIR R4 servers, folders (contract 5.2)."""
