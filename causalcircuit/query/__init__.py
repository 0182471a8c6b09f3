"""The nouns of the language: programs, queries, worlds, plans, outcome tables, estimates."""
