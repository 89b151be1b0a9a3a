"""Preflight: would a patient sent to this portal now come back connected? Checked nightly, and on demand.

`facts` gathers what we know of a registration at a source, `checks` asks the portal (no database, no patient), `run`
does it for what is due and writes the ledger.
"""
