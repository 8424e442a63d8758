"""A course archive on its way in: what may come (`tables`, `documents`), how it is read (`child`), how it is kept (`bringing`)."""
