"""Asking a model that may cost money: prepared and priced once, sent as it was priced, paid by what the provider counted."""
