"""Django's Redis cache with one client and one round trip, where Django makes a client for every call and asks twice."""

from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.core.cache.backends.redis import RedisCacheClient

INCREASE = "if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) end"


class KeptClient(RedisCacheClient):
    """One client for all calls; it takes its connections from the pool, so threads may share it."""

    kept = None

    def get_client(self, key=None, *, write=False):
        if self.kept is None:
            self.kept = super().get_client(key, write=write)
        return self.kept

    def incr(self, key, delta):
        """The new value; raises ValueError where there is none."""
        value = self.get_client(key, write=True).eval(INCREASE, 1, key, delta)
        if value is None:
            raise ValueError(f"Key '{key}' not found.")
        return value


class RedisCache(DjangoRedisCache):
    """The `default` cache where REDIS_URL is set, which names one server."""

    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = KeptClient
