"""What is not taken: rows and deliveries, in the vendor's words, kept over time."""
