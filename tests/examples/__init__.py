"""Right and wrong documents and hierarchies, for the tests and for the documentation of the rules."""
