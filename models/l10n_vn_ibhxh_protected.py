from odoo import api, models, tools
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command

MODULE = "l10n_vn_ibhxh"
# Odoo's own fields of every model, which it guards itself.
CORE_FIELDS = {*models.MAGIC_COLUMNS, "display_name"}


class L10n_Vn_IbhxhProtected(models.AbstractModel):
    """Fields that have one door: the program itself, as superuser.

    Of the fields that this addon defines on a model, people give those in `_person_fields`, and at creation also those
    in `_creation_fields`; every other one is protected, a field that is added later too. Protected fields cannot be
    given by values, and their defaults come from the field alone: neither a context (`default_…`) nor an `ir.default`,
    which every employee may set for themselves and which counts for the superuser's records too, is asked.

    Records that people refer to have to be readable to them: what is computed of them would be told otherwise, already
    before anything is saved.
    """

    _name = "l10n_vn_ibhxh.protected"
    _description = "Fields that only the program writes"

    _person_fields = frozenset()
    _creation_fields = frozenset()
    # Codes, links, keys and passwords: `data/neutralize.sql` clears them in a copied database.
    _secret_fields = frozenset()

    @api.model
    @tools.ormcache(cache="stable")
    def _protected_fields(self):
        """Return the names of the fields that no person writes."""
        own = {name for name, field in self._fields.items() if MODULE in field._modules and name not in CORE_FIELDS}
        # Messages are written by posting them: a command on this field would write a history of its own.
        return frozenset(own - self._person_fields - self._creation_fields | ({"message_ids"} & self._fields.keys()))

    @api.model
    def default_get(self, fields):
        """Take the defaults of protected fields from the fields themselves."""
        protected = self._protected_fields()
        defaults = super().default_get([name for name in fields if name not in protected])
        for name in protected.intersection(fields):
            field = self._fields[name]
            if field.default:
                value = field.convert_to_cache(field.default(self), self, validate=False)
                defaults[name] = field.convert_to_write(value, self)
        self._check_references([defaults])
        return defaults

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_given(vals.keys() - self._creation_fields)
            self._check_required(vals, self._fields)
        self._check_references(vals_list)
        return super().create(self._complete(vals_list))

    def write(self, vals):
        self._check_given(vals.keys())
        self._check_references([vals])
        self._check_required(vals, vals.keys())
        return super().write(vals)

    def onchange(self, values, field_names, fields_spec):
        """A form's values, computed ones included, come from the browser: they are no more than what somebody says."""
        self._check_references([values], values.keys() & self._fields.keys())
        return super().onchange(values, field_names, fields_spec)

    @api.model
    def _complete(self, vals_list):
        """Return the values of new records with what the model itself adds to them."""
        return vals_list

    @api.model
    def _check_references(self, vals_list, names=None):
        """Raise `AccessError` when a person refers to a record that they may not read.

        `names` are the fields to look at, those that people give by default.
        """
        if self.env.su:
            return
        names = self._person_fields | self._creation_fields if names is None else names
        referred = {}
        for name in names & self._fields.keys():
            field = self._fields[name]
            if field.relational and MODULE in field._modules:
                ids = referred.setdefault(field.comodel_name, set())
                ids.update(*(_referred_ids(vals[name]) for vals in vals_list if name in vals))
        for model, ids in referred.items():
            self.env[model].browse(ids).check_access("read")

    @api.model
    def _check_required(self, vals, names):
        """Raise `UserError` when one of `names` has to have a value and gets none, where a secret goes with it.

        The database would refuse it too, and Odoo's log would hold the statement with the secret.
        """
        if self._secret_fields & self._person_fields & vals.keys():
            given = self._add_missing_default_values(vals) if names is self._fields else vals
            required = [
                self._fields[name] for name in names if self._fields[name].required and self._fields[name].store
            ]
            missing = [field._description_string(self.env) for field in required if not given.get(field.name)]
            if missing:
                raise UserError(self.env._("Fill in first: %(fields)s.", fields=", ".join(missing)))

    @api.model
    def _check_given(self, names):
        """Raise `AccessError` when a person gives a protected field among `names`."""
        if self.env.su:
            return
        forbidden = names & (self._protected_fields() | self._creation_fields)
        if forbidden:
            raise AccessError(
                self.env._(
                    "Only Odoo itself writes these fields: %(fields)s. They follow from signing, sending and what VSS "
                    "answers.",
                    fields=", ".join(sorted(forbidden)),
                )
            )


def _referred_ids(value):
    """Return the ids in the value of a many2one (a number, or `{"id": …}`) or x2many field (commands or ids)."""
    if isinstance(value, models.BaseModel):
        return value.ids
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, int):
        return [value] if value else []
    ids = []
    for item in value if isinstance(value, (list, tuple)) else ():
        if isinstance(item, int):
            ids.append(item)
        elif item[0] in (Command.UPDATE, Command.LINK):
            ids.append(item[1])
        elif item[0] == Command.SET:
            ids += item[2]
    return ids
