"""Command line and interactive tools."""
