"""What users write: a project whose types are checked against the installed package, and which runs."""
