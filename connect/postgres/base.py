"""Django's backend, but for one thing: how a dead connection in the pool is replaced.

After a restart of the server every idle connection is dead. psycopg_pool's own check (3.3, what CONN_HEALTH_CHECKS switches
on) finds them one at a time and waits between them, 1, 2, 4 s: five idle connections outlast any patience. Here the first
dead one empties the pool, and the caller gets the first fresh connection.
"""

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool

TRIES = 3


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params):
        for last in [False] * (TRIES - 1) + [True]:
            connection = super().get_new_connection(conn_params)
            if not self.pool:
                return connection
            try:
                ConnectionPool.check_connection(connection)
                return connection
            except OperationalError:
                self.pool.putconn(connection)
                self.pool.drain()
                if last:
                    raise
