"""From bytes to texts: encodings, characters that nobody sees, labels as texts."""
