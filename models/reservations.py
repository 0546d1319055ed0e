"""Records that one process works on while others leave them alone, for longer than a transaction."""

from contextlib import contextmanager


@contextmanager
def reserved(records):
    """Yield those of `records` that nobody else has reserved.

    They stay reserved until the block is left or this process dies; a reservation belongs to the connection, so commits
    do not end it.
    """
    cr, key = records.env.cr, records._name
    cr.execute("SELECT id FROM unnest(%s::int[]) id WHERE pg_try_advisory_lock(hashtext(%s), id)", [records.ids, key])
    ids = {row[0] for row in cr.fetchall()}
    try:
        yield records.filtered(lambda record: record.id in ids)
    except BaseException:
        cr.rollback()
        raise
    finally:
        cr.execute("SELECT pg_advisory_unlock(hashtext(%s), id) FROM unnest(%s::int[]) id", [key, [*ids]])
