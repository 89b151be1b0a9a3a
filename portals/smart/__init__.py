"""A SMART App Launch 2.2 client for standalone patient launch. Knows no model: plain values in, plain values out.

In the order of the story: `discovery` what a portal offers, `scopes` what to ask for, `authorization` the way there
and back, `tokens` code exchange and refresh, `id_tokens` who signed in, `revocation` the end. `assertions` and `keys`
are how we prove who we are, `registration` how we become known, `errors` how each of it fails.
"""
