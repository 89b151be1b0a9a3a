"""An S3-compatible bucket, by boto3."""

import secrets
from contextlib import contextmanager
from typing import BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from connect import outbound
from connect.outbound import boto
from pulls.exports.stores.errors import StoreRefused, StoreUnavailable, not_called

PASSING = {
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "Throttling",
    "503",
    "500",
    "502",
    "504",
}
REFUSALS = {
    "NoSuchBucket": "no_such_bucket",
    "404": "no_such_bucket",
    "AccessDenied": "access_denied",
    "403": "access_denied",
    "InvalidAccessKeyId": "bad_credentials",
    "SignatureDoesNotMatch": "bad_credentials",
    "ExpiredToken": "bad_credentials",
    "PermanentRedirect": "wrong_region",
}
CONFIG = {"retries": {"max_attempts": 3, "mode": "standard"}}


class S3Store:
    """Objects below `prefix` in one bucket. With an `endpoint_url` of its own the bucket is named in the path."""

    def __init__(self, settings: dict, credentials: dict):
        self.bucket = settings["bucket"]
        self.prefix = settings.get("prefix", "").strip("/")
        self.endpoint_url = settings.get("endpoint_url") or None
        self._guard()
        addressing = {"addressing_style": "path"} if self.endpoint_url else {}
        self.client = boto3.client(
            "s3", endpoint_url=self.endpoint_url, region_name=settings.get("region") or "us-east-1",
            aws_access_key_id=credentials.get("access_key_id"),
            aws_secret_access_key=credentials.get("secret_access_key"),
            aws_session_token=credentials.get("session_token"), config=Config(**CONFIG, s3=addressing),
        )  # fmt: skip
        boto.guard(self.client, policy=outbound.BUCKET)

    def _guard(self) -> None:
        """Say at once what will not be called. Each connection is judged again when it is made (DESIGN law 5)."""
        if self.endpoint_url is None:
            return
        try:
            outbound.check_url(self.endpoint_url)
        except outbound.OutboundError as error:
            raise not_called(error.reason) from None

    def check(self) -> None:
        """Write and delete a small object. Raises StoreError."""
        key = self._key(f".connect-{secrets.token_hex(8)}")
        with self._errors():
            self.client.put_object(Bucket=self.bucket, Key=key, Body=b"Connect was here.")
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def put(self, path: str, file: BinaryIO, *, content_type: str) -> None:
        """Store what `file` holds at `path`, in place of what was there."""
        with self._errors():
            self.client.put_object(Bucket=self.bucket, Key=self._key(path), Body=file, ContentType=content_type)

    def delete(self, path: str) -> None:
        with self._errors():
            self.client.delete_object(Bucket=self.bucket, Key=self._key(path))

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    @contextmanager
    def _errors(self):
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in PASSING:
                raise StoreUnavailable("busy") from None
            raise StoreRefused(REFUSALS.get(code, "refused")) from None
        except ParamValidationError:
            raise StoreRefused("bad_settings") from None
        except (BotoCoreError, OSError) as error:
            raise not_called(boto.reason_of(error) or "unreachable") from None
