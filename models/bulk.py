"""Writing the same to very many records."""

from odoo.fields import Datetime
from odoo.tools import SQL

# Up to so many rows the ORM writes by one statement itself (`UPDATE_BATCH_SIZE` of odoo.orm.models).
FEW = 100


def write_same(records, vals):
    """Write `vals` to all `records` by one statement, where the ORM would make one for every hundred of them.

    As core does where a scheduled action gives many records the same values, see `_cron_update_automated_probabilities`
    of crm. For stored fields that are neither translated nor computed, and whose models do nothing else on `write`.
    """
    if len(records) <= FEW:
        records.write(vals)
        return
    names = [*vals]
    records.flush_recordset(names)
    columns = {name: records._fields[name].convert_to_column(value, records) for name, value in vals.items()}
    columns |= {"write_uid": records.env.uid, "write_date": Datetime.now()}
    records.env.execute_query(
        SQL(
            "UPDATE %s SET %s WHERE id IN %s RETURNING id",
            SQL.identifier(records._table),
            SQL(", ").join(SQL("%s = %s", SQL.identifier(name), value) for name, value in columns.items()),
            tuple(records.ids),
        )
    )
    records.invalidate_recordset([*names, "write_uid", "write_date"], flush=False)
    records.modified(names)
