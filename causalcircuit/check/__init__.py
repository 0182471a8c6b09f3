"""Tree to checked program: names, meanings and what is known before a model is loaded."""
