"""What steps hand on: frozen models of references, counts and digests, never rows, no input or output."""
