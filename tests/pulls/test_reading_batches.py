"""A stream of records holds some MiB at a time, whatever lies in a patient's file."""

from pulls.read import BATCH_BYTES, BATCH_ROWS, _ends_of_batches

MIB = 1024 * 1024


def test_small_records_are_read_many_at_once():
    assert list(_ends_of_batches([(n, 1000) for n in range(1, BATCH_ROWS + 11)])) == [BATCH_ROWS, BATCH_ROWS + 10]


def test_large_documents_are_read_one_by_one():
    assert list(_ends_of_batches([(1, 25 * MIB), (2, 25 * MIB), (3, 10)])) == [1, 2, 3]


def test_a_batch_stays_within_its_bytes():
    assert list(_ends_of_batches([(n, BATCH_BYTES // 4) for n in range(1, 6)])) == [4, 5]
