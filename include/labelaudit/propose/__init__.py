"""A first contract from a vendor's file."""
