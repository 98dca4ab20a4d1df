"""The report: a page that says what a run did and how well."""
