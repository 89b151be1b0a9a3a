"""Receipts of consent (contract 8): what was asked, what was granted, to whom, when, in which words and language.

`claims` says what a receipt states, `signing` signs it and publishes the keys, `issuing` writes it with the connection,
`fhir_consent` tells the same as a FHIR resource, and `verify` checks one offline: it imports nothing of ours.
"""
