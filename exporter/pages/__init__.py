"""What the coverage page is made of: the function app serves it, the command line writes it."""
