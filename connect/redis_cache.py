"""Django's Redis cache, keeping its client: Django makes one for every call, which costs more than the call."""

from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.core.cache.backends.redis import RedisCacheClient


class KeptClient(RedisCacheClient):
    """One client for all calls; it takes its connections from the pool, so threads may share it."""

    kept = None

    def get_client(self, key=None, *, write=False):
        if self.kept is None:
            self.kept = super().get_client(key, write=write)
        return self.kept


class RedisCache(DjangoRedisCache):
    """The `default` cache where REDIS_URL is set, which names one server."""

    def __init__(self, server, params):
        super().__init__(server, params)
        self._class = KeptClient
