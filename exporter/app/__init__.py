"""What only the function app needs."""
