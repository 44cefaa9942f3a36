"""What is told, in words, and the outbox that holds it until it is delivered."""
