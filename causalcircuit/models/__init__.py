"""A Hugging Face model as addressable sites."""
