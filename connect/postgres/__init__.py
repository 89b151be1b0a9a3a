"""PostgreSQL as Django speaks it, with a pool that gets over a restart of the server at once."""
