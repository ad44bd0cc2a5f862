"""What is known of stored days, and what may become of them."""
