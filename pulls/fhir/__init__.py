"""FHIR R4 as it comes over the wire: resources stay the bytes they were sent as (DESIGN law 8). Knows no model.

`pages` reads answers, `heads` the few fields of a resource we need, `outcomes` the portal's codes, `references` what a
resource points at, `links` decides which next link is followed, `identifiers` makes the one change we make.
"""
