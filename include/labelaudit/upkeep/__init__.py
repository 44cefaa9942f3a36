"""What is done between the runs to all that is kept: a person is forgotten, a destination is saved and put back."""
