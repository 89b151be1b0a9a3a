"""A 24-hour clock: times are UTC, and read beside log lines."""

DATETIME_FORMAT = "N j, Y, H:i"
