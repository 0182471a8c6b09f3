"""Tests of the room of diagrams and identification."""
