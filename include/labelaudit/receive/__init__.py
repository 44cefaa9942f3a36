"""The inbox: what lies there, what is complete, and what a run takes."""
